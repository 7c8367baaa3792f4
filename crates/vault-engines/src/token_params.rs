//! Parameters of tokens that every role has: `token_ttl`, `token_policies` and their kin.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vault_sdk::cidr::Cidr;
use vault_sdk::table::{Call, Field};
use vault_sdk::time::Seconds;
use vault_sdk::{Auth, Data, Error, TokenKind};

/// How tokens of a role are made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TokenParams {
    pub(crate) ttl: Seconds,
    pub(crate) max_ttl: Seconds,
    pub(crate) explicit_max_ttl: Seconds,
    pub(crate) period: Seconds,
    pub(crate) policies: Vec<String>,
    pub(crate) no_default_policy: bool,
    pub(crate) num_uses: u64,
    pub(crate) bound_cidrs: Vec<Cidr>,
    pub(crate) kind: TokenKind,
}

/// Names that old clients use for the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OldNames {
    pub(crate) policies: &'static str,
    pub(crate) ttl: &'static str,
    pub(crate) max_ttl: &'static str,
    pub(crate) period: &'static str,
    pub(crate) bound_cidrs: &'static str,
}

impl OldNames {
    /// As userpass, cert and others have them.
    pub(crate) const USUAL: Self = Self {
        policies: "policies",
        ttl: "ttl",
        max_ttl: "max_ttl",
        period: "period",
        bound_cidrs: "bound_cidrs",
    };

    /// Fields of the names that are not empty.
    pub(crate) fn fields(self) -> Vec<Field> {
        let fields = [
            Field::list(self.policies, "Use token_policies."),
            Field::seconds(self.ttl, "Use token_ttl."),
            Field::seconds(self.max_ttl, "Use token_max_ttl."),
            Field::seconds(self.period, "Use token_period."),
            Field::list(self.bound_cidrs, "Use token_bound_cidrs."),
        ];
        fields.into_iter().filter(|field| !field.name.is_empty()).map(Field::deprecated).collect()
    }
}

/// The fields of every role.
pub(crate) fn fields() -> Vec<Field> {
    vec![
        Field::list("token_bound_cidrs", "Networks that tokens may be used from."),
        Field::seconds("token_explicit_max_ttl", "Bound on the life of tokens that nothing moves."),
        Field::seconds("token_max_ttl", "Bound on the life of tokens."),
        Field::bool("token_no_default_policy", "Whether tokens lack the policy default."),
        Field::integer("token_num_uses", "Uses of a token; zero for no bound."),
        Field::seconds("token_period", "Makes periodic tokens, renewed by this much."),
        Field::list("token_policies", "Policies of tokens."),
        Field::seconds("token_ttl", "Time to live of tokens."),
        Field::string("token_type", "service, batch or default."),
    ]
}

impl TokenParams {
    /// Takes over what the call gives; a new name wins over its old one.
    pub(crate) fn update(&mut self, call: &Call<'_>, old: OldNames) -> Result<(), Error> {
        let given = |new: &'static str, old: &'static str| {
            [new, old].into_iter().find(|name| !name.is_empty() && call.given(name))
        };
        if let Some(name) = given("token_policies", old.policies) {
            self.policies = policies(call.list(name))?;
        }
        if let Some(name) = given("token_ttl", old.ttl) {
            self.ttl = call.seconds(name);
        }
        if let Some(name) = given("token_max_ttl", old.max_ttl) {
            self.max_ttl = call.seconds(name);
        }
        if let Some(name) = given("token_period", old.period) {
            self.period = call.seconds(name);
        }
        if let Some(name) = given("token_bound_cidrs", old.bound_cidrs) {
            self.bound_cidrs = networks(&call.list(name))?;
        }
        if let Some(name) = given("token_explicit_max_ttl", "") {
            self.explicit_max_ttl = call.seconds(name);
        }
        if let Some(name) = given("token_no_default_policy", "") {
            self.no_default_policy = call.bool(name);
        }
        if let Some(name) = given("token_num_uses", "") {
            self.num_uses = call.count(name)?;
        }
        if let Some(name) = given("token_type", "") {
            self.kind = TokenKind::parse(call.text(name)).ok_or_else(|| {
                Error::Invalid(format!("invalid 'token_type' value {:?}", call.text(name)))
            })?;
        }
        self.check()
    }

    /// What does not go together.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !self.max_ttl.is_zero() && self.ttl > self.max_ttl {
            return Err(Error::invalid("'token_ttl' cannot be greater than 'token_max_ttl'"));
        }
        let is_batch = matches!(self.kind, TokenKind::Batch | TokenKind::DefaultBatch);
        if is_batch && self.num_uses != 0 {
            return Err(Error::invalid(
                "'token_type' cannot be 'batch' or 'default_batch' when set to generate tokens with \
                 limited use count",
            ));
        }
        if is_batch && !self.period.is_zero() {
            return Err(Error::invalid(
                "'token_type' cannot be 'batch' or 'default_batch' when set to generate periodic \
                 tokens",
            ));
        }
        Ok(())
    }

    /// As a role's read answers.
    pub(crate) fn show(&self) -> Data {
        let cidrs: Vec<String> = self.bound_cidrs.iter().map(ToString::to_string).collect();
        let fields: [(&str, Value); 9] = [
            ("token_bound_cidrs", json!(cidrs)),
            ("token_explicit_max_ttl", json!(self.explicit_max_ttl.0)),
            ("token_max_ttl", json!(self.max_ttl.0)),
            ("token_no_default_policy", json!(self.no_default_policy)),
            ("token_num_uses", json!(self.num_uses)),
            ("token_period", json!(self.period.0)),
            ("token_policies", json!(self.policies)),
            ("token_ttl", json!(self.ttl.0)),
            ("token_type", json!(self.kind.name())),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// A login under these parameters.
    pub(crate) fn auth(&self) -> Auth {
        Auth {
            policies: self.policies.clone(),
            no_default_policy: self.no_default_policy,
            ttl: self.ttl,
            max_ttl: self.max_ttl,
            explicit_max_ttl: self.explicit_max_ttl,
            period: self.period,
            renewable: true,
            num_uses: self.num_uses,
            bound_cidrs: self.bound_cidrs.clone(),
            token_kind: self.kind,
            ..Auth::default()
        }
    }

    /// A login whose times follow the role as it is now. A change of policies ends renewals, since the token
    /// keeps those it was issued with.
    pub(crate) fn renewed(&self, auth: &Auth) -> Result<Auth, Error> {
        let (mut now, mut then) = (self.policies.clone(), auth.policies.clone());
        now.sort();
        then.sort();
        if now != then {
            return Err(Error::invalid("policies have changed, not renewing"));
        }
        let (ttl, max_ttl, period) = (self.ttl, self.max_ttl, self.period);
        Ok(Auth { ttl, max_ttl, period, ..auth.clone() })
    }
}

/// Names of policies as they are kept: lower case, each once, in order; never `root`.
pub(crate) fn policies(names: Vec<String>) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> =
        names.iter().map(|name| name.trim().to_lowercase()).filter(|n| !n.is_empty()).collect();
    names.sort();
    names.dedup();
    if names.iter().any(|name| name == "root") {
        return Err(Error::invalid("auth methods cannot create root tokens"));
    }
    Ok(names)
}

/// Networks of a list.
pub(crate) fn networks(texts: &[String]) -> Result<Vec<Cidr>, Error> {
    let parse = |text: &String| text.trim().parse::<Cidr>();
    let networks: Result<_, _> = texts.iter().map(parse).collect();
    networks.map_err(|error| Error::Invalid(error.to_string()))
}
