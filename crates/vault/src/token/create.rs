//! `auth/token/create`: tokens made with tokens.

use vault_sdk::table::{Call, Field, Path};
use vault_sdk::time::Seconds;
use vault_sdk::{Data, Operation, Response, TokenKind, glob};
use zeroize::Zeroizing;

use super::TokenEngine;
use super::roles::Role;
use crate::Error;
use crate::barrier::Transaction;
use crate::core::issue::{Bounds, token_text};
use crate::core::native::{Outcome, done};
use crate::lease::Profile;
use crate::policies;
use crate::policy::Query;

pub(super) fn paths() -> Vec<Path<TokenEngine>> {
    let fields = || {
        [
            Field::string("id", "The token itself; needs sudo.").sensitive(),
            Field::list("policies", "Policies; the parent's if absent."),
            Field::text_map("meta", "Shown in the audit log."),
            Field::bool("no_parent", "Makes an orphan; needs sudo."),
            Field::bool("no_default_policy", "Leaves out the policy default."),
            Field::bool("renewable", "Whether it can be renewed.").default(true),
            Field::seconds("lease", "Older form of ttl.").deprecated(),
            Field::seconds("ttl", "Wanted life time."),
            Field::seconds("explicit_max_ttl", "Bound that nothing moves."),
            Field::seconds("period", "Makes a periodic token; needs sudo."),
            Field::string("display_name", "Shown in the audit log."),
            Field::integer("num_uses", "Uses; 0: unlimited."),
            Field::string("type", "service or batch."),
            Field::string("entity_alias", "Alias of the entity, where the role allows it."),
        ]
    };
    vec![
        Path::new("create")
            .help("Creates a token.", "")
            .fields(fields())
            .on(Operation::Update, |engine: &TokenEngine, call| {
                done(engine.create(call, None, false))
            }),
        Path::new("create-orphan")
            .help("Creates a token without a parent.", "")
            .sudo()
            .fields(fields())
            .on(Operation::Update, |engine: &TokenEngine, call| {
                done(engine.create(call, None, true))
            }),
        Path::new("create/{role_name:any}")
            .help("Creates a token as a role says.", "")
            .fields(fields())
            .on(Operation::Update, |engine: &TokenEngine, call| done(engine.create_by_role(call))),
    ]
}

impl TokenEngine {
    fn create_by_role(&self, call: &Call<'_>) -> Result<Response, Error> {
        let name = call.text("role_name");
        let role = self.role(name)?;
        let role = role.ok_or_else(|| Error::Invalid(format!("unknown role {name}")))?;
        self.create(call, Some(&role), false)
    }

    fn create(
        &self,
        call: &Call<'_>,
        role: Option<&Role>,
        orphan: bool,
    ) -> Result<Response, Error> {
        let parent = self.0.caller()?;
        let active = &self.0.active;
        if parent.profile.num_uses > 0 {
            return Err(Error::invalid("restricted use token cannot generate child tokens"));
        }
        if parent.is_batch() {
            return Err(Error::invalid("batch tokens cannot create more tokens"));
        }
        let is_sudo = self.is_sudo(&call.request.path)?;
        let needs_sudo = |what: &str| {
            if is_sudo {
                Ok(())
            } else {
                Err(Error::Invalid(format!("root or sudo privileges required to {what}")))
            }
        };
        let id = call.text("id");
        if !id.is_empty() {
            needs_sudo("specify token id")?;
            if role.is_some_and(|role| !role.path_suffix.is_empty()) {
                return Err(Error::invalid(
                    "token IDs can only be manually specified without a role with a path suffix",
                ));
            }
            check_id(id)?;
        }
        let wants_batch = match (call.text("type"), role.map(|role| role.token_kind)) {
            (_, Some(TokenKind::Batch)) => true,
            (_, Some(TokenKind::Service)) => false,
            ("batch", _) => true,
            ("" | "service", Some(TokenKind::DefaultBatch)) => call.text("type").is_empty(),
            ("" | "service", _) => false,
            (other, _) => {
                return Err(Error::Invalid(format!("invalid 'token_type' value {other:?}")));
            }
        };
        let no_parent = match role {
            Some(role) => role.orphan,
            None if orphan => true,
            None if call.bool("no_parent") => {
                needs_sudo("create orphan token")?;
                true
            }
            None => false,
        };
        let policies = self.policies(call, role, is_sudo)?;
        let is_root = policies.iter().any(|name| name == "root");
        if is_root && !parent.profile.is_root() {
            return Err(Error::invalid(
                "root tokens may not be created without parent token being root",
            ));
        }
        let mut period = call.seconds("period");
        if !period.is_zero() && role.is_none() {
            needs_sudo("create periodic token")?;
        }
        let mut explicit_max_ttl = call.seconds("explicit_max_ttl");
        let mut warnings = Vec::new();
        if let Some(role) = role {
            if !role.token_period.is_zero() {
                period = role.token_period;
            }
            let bound = role.token_explicit_max_ttl;
            if !bound.is_zero() && (explicit_max_ttl.is_zero() || explicit_max_ttl > bound) {
                if !explicit_max_ttl.is_zero() {
                    warnings.push(format!(
                        "Explicit max TTL specified both during creation call and in role; using the lesser value of {} seconds",
                        bound.0
                    ));
                }
                explicit_max_ttl = bound;
            }
        }
        let mounts = active.mounts();
        let mount = mounts.at("auth/token/").ok_or(vault_sdk::Error::Bug("no token mount"))?;
        let wanted = call.seconds("ttl").or(call.seconds("lease"));
        let bounds = Bounds {
            wanted,
            explicit_max: explicit_max_ttl,
            period,
            mount: mount.ttls(active.system_ttls),
            max: Seconds::ZERO,
        };
        // A root token lives for ever unless it was asked otherwise.
        let endless = is_root && wanted.is_zero() && period.is_zero() && explicit_max_ttl.is_zero();
        let ttl = if endless { Seconds::ZERO } else { bounds.ttl(Seconds::ZERO, &mut warnings) };
        let display_name = match call.text("display_name") {
            "" => "token".to_owned(),
            name => format!("token-{}", sanitised(name)),
        };
        let path = match role {
            None if orphan => "auth/token/create-orphan".to_owned(),
            None => "auth/token/create".to_owned(),
            Some(role) if role.path_suffix.is_empty() => format!("auth/token/create/{}", role.name),
            Some(role) => format!("auth/token/create/{}/{}", role.name, role.path_suffix),
        };
        let asked_uses = call.count("num_uses")?;
        let num_uses = match role.map_or(0, |role| role.token_num_uses) {
            0 => asked_uses,
            bound if asked_uses == 0 => bound,
            bound => asked_uses.min(bound),
        };
        let refused = [
            (is_root, "batch tokens cannot be root tokens"),
            (!id.is_empty(), "cannot specify an id for a batch token"),
            (!period.is_zero(), "batch tokens cannot be periodic"),
            (num_uses != 0, "batch tokens cannot have a number of uses"),
            (!explicit_max_ttl.is_zero(), "batch tokens cannot have an explicit maximum"),
        ];
        if let Some((_, why)) = refused.into_iter().find(|(is_so, _)| wants_batch && *is_so) {
            return Err(Error::invalid(why));
        }
        let profile = Profile {
            path,
            mount: mount.accessor.clone(),
            role: role.map_or_else(String::new, |role| role.name.clone()),
            entity: if no_parent && role.is_none() {
                String::new()
            } else {
                parent.profile.entity.clone()
            },
            policies,
            metadata: call.text_map("meta"),
            display_name,
            token_kind: if wants_batch { TokenKind::Batch } else { TokenKind::Service },
            renewable: !wants_batch
                && call.bool("renewable")
                && role.is_none_or(|role| role.renewable)
                && !endless,
            ttl,
            explicit_max_ttl,
            period,
            num_uses,
            bound_cidrs: role.map_or_else(Vec::new, |role| role.token_bound_cidrs.clone()),
            no_default_policy: call.bool("no_default_policy"),
            ..Profile::default()
        };
        let text = if id.is_empty() { token_text() } else { Zeroizing::new(id.to_owned()) };
        let parent = (!no_parent).then_some(parent.key);
        let (auth, _) = active
            .issue_token(text, profile, parent, ttl, Transaction::new())
            .map_err(|error| match error {
                Error::Barrier(crate::barrier::Error::Conflict { .. }) => {
                    Error::invalid("cannot create a token with a duplicate ID")
                }
                other => other,
            })?;
        self.0.give(Outcome::Auth(auth));
        Ok(Response { warnings, ..Response::empty() })
    }

    /// Whether the caller has sudo on the path of the request.
    fn is_sudo(&self, path: &str) -> Result<bool, Error> {
        let acl = self.0.active.acl(self.0.caller()?)?;
        let query = Query {
            path: &format!("auth/token/{path}"),
            operation: Operation::Update,
            data: &Data::new(),
            wrap_ttl: Seconds::ZERO,
        };
        Ok(acl.is_root() || acl.decide(&query).sudo)
    }

    /// The policies of the new token, checked against the parent's and the role's.
    fn policies(
        &self,
        call: &Call<'_>,
        role: Option<&Role>,
        is_sudo: bool,
    ) -> Result<Vec<String>, Error> {
        let parent = self.0.caller()?;
        let asked = call.list("policies");
        let mut names = policies::normalise(asked.iter().map(String::as_str));
        let no_default =
            call.bool("no_default_policy") || role.is_some_and(|role| role.token_no_default_policy);
        let of_parent = &parent.profile.policies;
        match role {
            Some(role) if role.restricts() => {
                if names.is_empty() {
                    names.clone_from(&role.allowed_policies);
                }
                for name in &names {
                    let matches =
                        |globs: &[String]| globs.iter().any(|pattern| glob::matches(pattern, name));
                    let allows = role.allowed_policies.is_empty()
                        && role.allowed_policies_glob.is_empty()
                        || role.allowed_policies.contains(name)
                        || matches(&role.allowed_policies_glob)
                        || name == "default";
                    let denies = role.disallowed_policies.contains(name)
                        || matches(&role.disallowed_policies_glob);
                    if !allows || denies || name == "root" {
                        return Err(Error::Invalid(format!(
                            "token policies ({names:?}) must be subset of the role's allowed policies; {name:?} is not"
                        )));
                    }
                }
            }
            _ => {
                if names.is_empty() {
                    names.clone_from(of_parent);
                }
                let is_subset =
                    names.iter().all(|name| of_parent.contains(name) || name == "default");
                if !is_sudo && !is_subset {
                    return Err(Error::invalid("child policies must be subset of parent"));
                }
            }
        }
        let is_root = names.iter().any(|name| name == "root");
        if no_default {
            names.retain(|name| name != "default");
        } else if !is_root && !names.iter().any(|name| name == "default") {
            names.push("default".to_owned());
            names.sort_unstable();
        }
        Ok(names)
    }
}

fn check_id(id: &str) -> Result<(), Error> {
    let reserved = ["s.", "b.", "r.", "hvs.", "hvb.", "hvr."];
    if reserved.iter().any(|prefix| id.starts_with(prefix)) {
        return Err(Error::invalid(
            "custom token ID cannot have a prefix of the server's own tokens",
        ));
    }
    let is_plain = id.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain || id.len() > 512 || id.contains('.') {
        return Err(Error::invalid(
            "custom token ID cannot contain the '.' character, white space or more than 512 characters",
        ));
    }
    Ok(())
}

/// A name with everything but letters, digits and dashes made a dash, as Vault does.
fn sanitised(name: &str) -> String {
    let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' });
    plain.collect::<String>().trim_matches('-').to_owned()
}
