//! `auth/token/roles`: what tokens of a role look like.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vault_sdk::cidr::Cidr;
use vault_sdk::table::{Call, Field, Path};
use vault_sdk::time::Seconds;
use vault_sdk::{Operation, Response, TokenKind};

use super::{TokenEngine, seconds_of};
use crate::barrier::Transaction;
use crate::core::native::done;
use crate::{Error, barrier, policies};

const PREFIX: &str = "token/role/";

/// A role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) allowed_policies: Vec<String>,
    pub(super) allowed_policies_glob: Vec<String>,
    pub(super) disallowed_policies: Vec<String>,
    pub(super) disallowed_policies_glob: Vec<String>,
    pub(super) orphan: bool,
    pub(super) renewable: bool,
    pub(super) path_suffix: String,
    pub(super) allowed_entity_aliases: Vec<String>,
    pub(super) token_explicit_max_ttl: Seconds,
    pub(super) token_period: Seconds,
    pub(super) token_num_uses: u64,
    pub(super) token_no_default_policy: bool,
    pub(super) token_bound_cidrs: Vec<Cidr>,
    pub(super) token_kind: TokenKind,
}

impl Role {
    /// Whether it says which policies are allowed, instead of the parent.
    pub(super) fn restricts(&self) -> bool {
        let lists = [
            &self.allowed_policies,
            &self.allowed_policies_glob,
            &self.disallowed_policies,
            &self.disallowed_policies_glob,
        ];
        lists.iter().any(|list| !list.is_empty())
    }

    fn shown(&self) -> Response {
        let mut response = Response::json(json!({
            "name": self.name,
            "allowed_policies": self.allowed_policies,
            "allowed_policies_glob": self.allowed_policies_glob,
            "disallowed_policies": self.disallowed_policies,
            "disallowed_policies_glob": self.disallowed_policies_glob,
            "allowed_entity_aliases": self.allowed_entity_aliases,
            "orphan": self.orphan,
            "renewable": self.renewable,
            "path_suffix": self.path_suffix,
            "explicit_max_ttl": self.token_explicit_max_ttl.0,
            "period": self.token_period.0,
            "token_explicit_max_ttl": self.token_explicit_max_ttl.0,
            "token_period": self.token_period.0,
            "token_type": match self.token_kind { TokenKind::Default => "default-service", other => other.name() },
            "token_no_default_policy": self.token_no_default_policy,
            "token_num_uses": self.token_num_uses,
        }));
        if let (false, vault_sdk::Body::Data(data)) =
            (self.token_bound_cidrs.is_empty(), &mut response.body)
        {
            data.insert("token_bound_cidrs".into(), json!(self.token_bound_cidrs));
            data.insert("bound_cidrs".into(), json!(self.token_bound_cidrs));
        }
        response
    }
}

pub(super) fn paths() -> Vec<Path<TokenEngine>> {
    vec![
        Path::new("roles")
            .help("All roles.", "")
            .on(Operation::List, |engine: &TokenEngine, _| done(engine.list_roles())),
        Path::new("roles/{role_name:any}")
            .help("One role.", "")
            .fields([
                Field::list("allowed_policies", "Policies that tokens may have."),
                Field::list("allowed_policies_glob", "The same with wildcards."),
                Field::list("disallowed_policies", "Policies that tokens may not have."),
                Field::list("disallowed_policies_glob", "The same with wildcards."),
                Field::list("allowed_entity_aliases", "Aliases that tokens may be made for."),
                Field::bool("orphan", "Whether tokens have no parent."),
                Field::bool("renewable", "Whether tokens can be renewed."),
                Field::string(
                    "path_suffix",
                    "Added to the tokens' path, for revocation by prefix.",
                ),
                Field::seconds("explicit_max_ttl", "Older form.").deprecated(),
                Field::seconds("period", "Older form.").deprecated(),
                Field::list("bound_cidrs", "Older form.").deprecated(),
                Field::seconds("token_explicit_max_ttl", "Bound that nothing moves."),
                Field::seconds("token_period", "Makes tokens periodic."),
                Field::list("token_bound_cidrs", "Networks that tokens may come from."),
                Field::integer("token_num_uses", "Uses of each token."),
                Field::bool("token_no_default_policy", "Leaves out the policy default."),
                Field::string("token_type", "service, batch, default-service or default-batch."),
            ])
            .on(Operation::Read, |engine: &TokenEngine, call| done(engine.read_role(call)))
            .on(Operation::Update, |engine: &TokenEngine, call| done(engine.write_role(call)))
            .on(Operation::Delete, |engine: &TokenEngine, call| done(engine.delete_role(call))),
    ]
}

impl TokenEngine {
    /// The role of this name.
    pub(super) fn role(&self, name: &str) -> Result<Option<Role>, Error> {
        let key = format!("{PREFIX}{name}");
        let Some(row) = self.0.active.barrier.get(&key)? else { return Ok(None) };
        let malformed = |_| barrier::Error::Tampered { key, reason: "not a token role" };
        Ok(Some(serde_json::from_slice(&row.content).map_err(malformed)?))
    }

    fn list_roles(&self) -> Result<Response, Error> {
        let keys = self.0.active.barrier.keys(PREFIX, "", usize::MAX)?;
        let names = keys.iter().filter_map(|key| key.strip_prefix(PREFIX));
        Ok(Response::list(names.map(str::to_owned).collect()))
    }

    fn read_role(&self, call: &Call<'_>) -> Result<Response, Error> {
        let role = self.role(call.text("role_name"))?.ok_or(vault_sdk::Error::NotFound)?;
        Ok(role.shown())
    }

    fn delete_role(&self, call: &Call<'_>) -> Result<Response, Error> {
        let mut transaction = Transaction::new();
        transaction.delete(format!("{PREFIX}{}", call.text("role_name")));
        self.0.active.barrier.commit(transaction)?;
        Ok(Response::empty())
    }

    fn write_role(&self, call: &Call<'_>) -> Result<Response, Error> {
        let name = call.text("role_name");
        let new = || Role { name: name.to_owned(), renewable: true, ..Role::default() };
        let mut role = self.role(name)?.unwrap_or_else(new);
        for (field, target) in [
            ("allowed_policies", &mut role.allowed_policies),
            ("allowed_policies_glob", &mut role.allowed_policies_glob),
            ("disallowed_policies", &mut role.disallowed_policies),
            ("disallowed_policies_glob", &mut role.disallowed_policies_glob),
        ] {
            if call.given(field) {
                *target = policies::normalise(call.list(field).iter().map(String::as_str));
            }
        }
        if call.given("allowed_entity_aliases") {
            role.allowed_entity_aliases = call.list("allowed_entity_aliases");
        }
        for (field, target) in [
            ("orphan", &mut role.orphan),
            ("renewable", &mut role.renewable),
            ("token_no_default_policy", &mut role.token_no_default_policy),
        ] {
            if call.given(field) {
                *target = call.bool(field);
            }
        }
        let data = &call.request.data;
        let given = |field: &str| data.get(field).is_some_and(|value: &Value| !value.is_null());
        for (field, older, target) in [
            ("token_explicit_max_ttl", "explicit_max_ttl", &mut role.token_explicit_max_ttl),
            ("token_period", "period", &mut role.token_period),
        ] {
            if let Some(name) = [field, older].into_iter().find(|name| given(name)) {
                *target = seconds_of(data, name);
            }
        }
        if call.given("path_suffix") {
            let suffix = call.text("path_suffix").trim_matches('/');
            let is_plain =
                suffix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            if !is_plain || suffix == ".." || suffix == "." {
                return Err(Error::invalid("given role path suffix contains invalid characters"));
            }
            suffix.clone_into(&mut role.path_suffix);
        }
        if let Some(field) =
            ["token_bound_cidrs", "bound_cidrs"].into_iter().find(|name| given(name))
        {
            let parse = |text: &String| {
                text.parse::<Cidr>().map_err(|error| Error::Invalid(error.to_string()))
            };
            role.token_bound_cidrs =
                call.list(field).iter().map(parse).collect::<Result<_, _>>()?;
        }
        if call.given("token_num_uses") {
            role.token_num_uses = call.count("token_num_uses")?;
        }
        if call.given("token_type") {
            let name = call.text("token_type");
            role.token_kind = TokenKind::parse(name)
                .ok_or_else(|| Error::Invalid(format!("invalid 'token_type' value {name:?}")))?;
        }
        let mut transaction = Transaction::new();
        let bytes = serde_json::to_vec(&role).unwrap_or_default();
        transaction.put(format!("{PREFIX}{name}"), bytes);
        self.0.active.barrier.commit(transaction)?;
        Ok(Response::empty())
    }
}
