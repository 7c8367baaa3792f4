//! Paths below a role that read, change and reset one setting each.

use serde_json::{Value, json};
use vault_sdk::cidr::Cidr;
use vault_sdk::table::{Call, Field, Path};
use vault_sdk::time::Seconds;
use vault_sdk::{Data, Error, Expect, Operation, Response};

use super::role::{self, Role};
use super::{AppRole, role_name};
use crate::token_params::{networks, policies};

/// One setting: how it is shown, taken over and reset.
trait Setting {
    fn show(role: &Role) -> Data;
    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Error>;
    fn reset(role: &mut Role);
}

async fn read<S: Setting>(call: &Call<'_>) -> Result<Response, Error> {
    let (role, _) = role::load(call).await?.ok_or(Error::NotFound)?;
    Ok(Response::data(S::show(&role)))
}

async fn write<S: Setting>(call: &Call<'_>) -> Result<Response, Error> {
    let (old, version) = role::must_load(call).await?;
    let mut role = old.clone();
    S::set(&mut role, call)?;
    role::store(call, Some(&old), &role, Expect::Version(version)).await?;
    Ok(Response::empty())
}

async fn reset<S: Setting>(call: &Call<'_>) -> Result<Response, Error> {
    let Some((old, version)) = role::load(call).await? else { return Ok(Response::empty()) };
    let mut role = old.clone();
    S::reset(&mut role);
    role::store(call, Some(&old), &role, Expect::Version(version)).await?;
    Ok(Response::empty())
}

fn path<S: Setting + 'static>(
    pattern: &'static str,
    fields: impl IntoIterator<Item = Field>,
) -> Path<AppRole> {
    Path::new(pattern)
        .help("One setting of a role.", "")
        .field(role_name())
        .fields(fields)
        .on(Operation::Read, |_, call| Box::pin(read::<S>(call)))
        .on(Operation::Update, |_, call| Box::pin(write::<S>(call)))
        .on(Operation::Delete, |_, call| Box::pin(reset::<S>(call)))
}

/// Paths of all settings.
pub(super) fn paths() -> Vec<Path<AppRole>> {
    vec![
        path::<Policies>(
            "role/{role_name}/policies",
            [
                Field::list("policies", "Use token_policies.").deprecated(),
                Field::list("token_policies", "Policies of tokens."),
            ],
        ),
        path::<SecretIdNetworks>(
            "role/{role_name}/secret-id-bound-cidrs",
            [Field::list("secret_id_bound_cidrs", "Networks that logins may come from.")],
        ),
        path::<OldSecretIdNetworks>(
            "role/{role_name}/bound-cidr-list",
            [Field::list("bound_cidr_list", "Use secret_id_bound_cidrs.").deprecated()],
        ),
        path::<TokenNetworks>(
            "role/{role_name}/token-bound-cidrs",
            [Field::list("token_bound_cidrs", "Networks that tokens may be used from.")],
        ),
        path::<BindSecretId>(
            "role/{role_name}/bind-secret-id",
            [Field::bool("bind_secret_id", "Whether a login needs a secret identifier.")],
        ),
        path::<SecretIdUses>(
            "role/{role_name}/secret-id-num-uses",
            [Field::integer("secret_id_num_uses", "Logins that a secret identifier is good for.")],
        ),
        path::<SecretIdTtl>(
            "role/{role_name}/secret-id-ttl",
            [Field::seconds("secret_id_ttl", "Life of a secret identifier.")],
        ),
        path::<Period>(
            "role/{role_name}/period",
            [
                Field::seconds("period", "Use token_period.").deprecated(),
                Field::seconds("token_period", "Makes periodic tokens."),
            ],
        ),
        path::<TokenUses>(
            "role/{role_name}/token-num-uses",
            [Field::integer("token_num_uses", "Uses of a token.")],
        ),
        path::<TokenTtl>(
            "role/{role_name}/token-ttl",
            [Field::seconds("token_ttl", "Time to live of tokens.")],
        ),
        path::<TokenMaxTtl>(
            "role/{role_name}/token-max-ttl",
            [Field::seconds("token_max_ttl", "Bound on the life of tokens.")],
        ),
        Path::new("role/{role_name}/local-secret-ids")
            .help("Whether secret identifiers stay in this cluster.", "")
            .field(role_name())
            .on(Operation::Read, |_, call| Box::pin(read::<LocalSecretIds>(call))),
    ]
}

fn one(name: &str, value: Value) -> Data {
    [(name.to_owned(), value)].into_iter().collect()
}

/// A list of networks; null if there are none.
fn texts(cidrs: &[Cidr]) -> Value {
    if cidrs.is_empty() {
        return Value::Null;
    }
    json!(cidrs.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn must_have<'c>(call: &'c Call<'_>, name: &'static str) -> Result<&'c Call<'c>, Error> {
    match call.given(name) {
        true => Ok(call),
        false => Err(Error::Invalid(format!("missing {name}"))),
    }
}

/// A setting that is one field of the role, shown under its name.
macro_rules! setting {
    ($type:ident, $name:literal, $role:ident => $($field:ident).+, $show:expr, $call:ident => $read:expr, $none:expr) => {
        struct $type;
        impl Setting for $type {
            fn show(role: &Role) -> Data {
                let $role = role;
                one($name, $show)
            }
            fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Error> {
                let $call = must_have(call, $name)?;
                role.$($field).+ = $read;
                Ok(())
            }
            fn reset(role: &mut Role) {
                role.$($field).+ = $none;
            }
        }
    };
}

setting!(SecretIdNetworks, "secret_id_bound_cidrs", role => secret_id_bound_cidrs,
    texts(&role.secret_id_bound_cidrs),
    call => role::secret_id_networks(&call.list("secret_id_bound_cidrs"))?, Vec::new());
setting!(OldSecretIdNetworks, "bound_cidr_list", role => secret_id_bound_cidrs,
    texts(&role.secret_id_bound_cidrs),
    call => role::secret_id_networks(&call.list("bound_cidr_list"))?, Vec::new());
setting!(TokenNetworks, "token_bound_cidrs", role => params.bound_cidrs,
    texts(&role.params.bound_cidrs),
    call => networks(&call.list("token_bound_cidrs"))?, Vec::new());
setting!(BindSecretId, "bind_secret_id", role => bind_secret_id, json!(role.bind_secret_id),
    call => call.bool("bind_secret_id"), true);
setting!(SecretIdUses, "secret_id_num_uses", role => secret_id_num_uses,
    json!(role.secret_id_num_uses), call => call.count("secret_id_num_uses")?, 0);
setting!(SecretIdTtl, "secret_id_ttl", role => secret_id_ttl, json!(role.secret_id_ttl.0),
    call => call.seconds("secret_id_ttl"), Seconds::ZERO);
setting!(TokenUses, "token_num_uses", role => params.num_uses, json!(role.params.num_uses),
    call => call.count("token_num_uses")?, 0);
setting!(TokenTtl, "token_ttl", role => params.ttl, json!(role.params.ttl.0),
    call => call.seconds("token_ttl"), Seconds::ZERO);
setting!(TokenMaxTtl, "token_max_ttl", role => params.max_ttl, json!(role.params.max_ttl.0),
    call => call.seconds("token_max_ttl"), Seconds::ZERO);
setting!(LocalSecretIds, "local_secret_ids", role => local_secret_ids,
    json!(role.local_secret_ids), call => call.bool("local_secret_ids"), false);

/// Policies, shown under the old name too if they were set by it.
struct Policies;

impl Setting for Policies {
    fn show(role: &Role) -> Data {
        let mut data = one("token_policies", json!(role.params.policies));
        if role.shows_old_policies {
            data.insert("policies".to_owned(), json!(role.params.policies));
        }
        data
    }

    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Error> {
        let is_new = call.given("token_policies");
        let name = if is_new { "token_policies" } else { "policies" };
        role.params.policies = policies(must_have(call, name)?.list(name))?;
        role.shows_old_policies = !is_new;
        Ok(())
    }

    fn reset(role: &mut Role) {
        role.params.policies = Vec::new();
        role.shows_old_policies = false;
    }
}

/// The period, which also has an old name.
struct Period;

impl Setting for Period {
    fn show(role: &Role) -> Data {
        one("token_period", json!(role.params.period.0))
    }

    fn set(role: &mut Role, call: &Call<'_>) -> Result<(), Error> {
        let name = if call.given("token_period") { "token_period" } else { "period" };
        role.params.period = must_have(call, name)?.seconds(name);
        Ok(())
    }

    fn reset(role: &mut Role) {
        role.params.period = Seconds::ZERO;
    }
}
