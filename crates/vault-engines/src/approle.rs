//! AppRole: programs log in by a role's identifier and a secret identifier.
//!
//! In storage: `role/NAME`; `id/HASH` from the hash of a role identifier to its role's name; `sid/ROLE/HASH` a
//! secret identifier, under the role's own UUID and hashed with the role's own key; `acc/ROLE/ACCESSOR` to the
//! hash. Secret identifiers are nowhere in the clear. A role that is made anew has another UUID, so
//! that nothing of the old one is valid, and no accessor reaches another role's secret identifiers
//! (CVE-2023-24999).

mod login;
mod role;
mod secret_id;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use vault_sdk::table::{Field, Path, PathTable};
use vault_sdk::{Auth, Boxed, Context, Engine, Error, Operation, Request};

use crate::page;
use crate::token_params;

/// The engine.
#[derive(Debug)]
pub struct AppRole;

static TABLE: LazyLock<PathTable<AppRole>> = LazyLock::new(|| {
    let mut paths = vec![
        Path::new("login")
            .help("Logs in.", "")
            .unauthenticated()
            .field(Field::string("role_id", "Identifier of the role."))
            .field(Field::string("secret_id", "Secret identifier of the role.").sensitive())
            .on(Operation::Update, |_, call| Box::pin(login::login(call))),
        Path::new("tidy/secret-id")
            .help("Removes secret identifiers that have expired.", "")
            .on(Operation::Update, |_, call| Box::pin(secret_id::tidy(call))),
        Path::new("role")
            .help("Lists roles.", "")
            .fields(page::fields())
            .on(Operation::List, |_, call| Box::pin(page::list(call, "role/"))),
        Path::new("role/{role_name}")
            .help("Makes, reads, changes and removes roles.", "")
            .fields(role_fields())
            .exists(|_, call| Box::pin(role::exists(call)))
            .on_write(|_, call| Box::pin(role::write(call)))
            .on(Operation::Read, |_, call| Box::pin(role::read(call)))
            .on(Operation::Delete, |_, call| Box::pin(role::delete(call))),
        Path::new("role/{role_name}/role-id")
            .help("The identifier that a login names the role by.", "")
            .field(role_name())
            .field(Field::string("role_id", "Identifier of the role."))
            .on(Operation::Read, |_, call| Box::pin(role::read_role_id(call)))
            .on(Operation::Update, |_, call| Box::pin(role::write_role_id(call))),
    ];
    paths.extend(secret_id_paths());
    paths.extend(settings::paths());
    PathTable::new("AppRole lets programs in by a role and a secret identifier.", paths)
});

fn role_name() -> Field {
    Field::lower_case("role_name", "Name of the role.")
}

fn role_fields() -> Vec<Field> {
    let mut fields = vec![
        role_name(),
        Field::bool("bind_secret_id", "Whether a login needs a secret identifier."),
        Field::list("secret_id_bound_cidrs", "Networks that logins may come from."),
        Field::list("bound_cidr_list", "Use secret_id_bound_cidrs.").deprecated(),
        Field::list("policies", "Use token_policies.").deprecated(),
        Field::seconds("period", "Use token_period.").deprecated(),
        Field::integer(
            "secret_id_num_uses",
            "Logins that a secret identifier is good for; zero for no bound.",
        ),
        Field::seconds("secret_id_ttl", "Life of a secret identifier; zero for no bound."),
        Field::bool(
            "local_secret_ids",
            "Only when the role is made: secret identifiers stay in this cluster.",
        ),
        Field::string("role_id", "Identifier of the role; a random one if not given."),
    ];
    fields.extend(token_params::fields());
    fields
}

fn secret_id_fields() -> Vec<Field> {
    vec![
        role_name(),
        Field::string(
            "metadata",
            "A JSON object of strings, kept with the secret identifier and its tokens.",
        ),
        Field::list("cidr_list", "Networks that logins may come from."),
        Field::list("token_bound_cidrs", "Networks that tokens may be used from."),
        Field::integer("num_uses", "Logins that it is good for; not more than the role's."),
        Field::seconds("ttl", "Its life; not longer than the role's."),
    ]
}

fn secret_id_paths() -> Vec<Path<AppRole>> {
    let secret_id = || Field::string("secret_id", "The secret identifier.").sensitive();
    let accessor =
        || Field::string("secret_id_accessor", "Public handle of the secret identifier.");
    let by_secret_id =
        |pattern, help| Path::new(pattern).help(help, "").field(role_name()).field(secret_id());
    let by_accessor =
        |pattern, help| Path::new(pattern).help(help, "").field(role_name()).field(accessor());
    vec![
        Path::new("role/{role_name}/secret-id")
            .help("Makes a secret identifier; lists accessors.", "")
            .fields(secret_id_fields())
            .fields(page::fields())
            .on(Operation::Update, |_, call| Box::pin(secret_id::make(call)))
            .on(Operation::List, |_, call| Box::pin(secret_id::list(call))),
        Path::new("role/{role_name}/custom-secret-id")
            .help("Adds a secret identifier of the caller's choice.", "")
            .fields(secret_id_fields())
            .field(secret_id())
            .on(Operation::Update, |_, call| Box::pin(secret_id::make_custom(call))),
        by_secret_id("role/{role_name}/secret-id/lookup", "Reads about a secret identifier.")
            .on(Operation::Update, |_, call| Box::pin(secret_id::lookup(call))),
        by_secret_id("role/{role_name}/secret-id/destroy", "Ends a secret identifier.")
            .on(Operation::Update, |_, call| Box::pin(secret_id::destroy(call)))
            .on(Operation::Delete, |_, call| Box::pin(secret_id::destroy(call))),
        by_accessor(
            "role/{role_name}/secret-id-accessor/lookup",
            "Reads about a secret identifier.",
        )
        .on(Operation::Update, |_, call| Box::pin(secret_id::lookup_accessor(call))),
        by_accessor("role/{role_name}/secret-id-accessor/destroy", "Ends a secret identifier.")
            .on(Operation::Update, |_, call| Box::pin(secret_id::destroy_accessor(call)))
            .on(Operation::Delete, |_, call| Box::pin(secret_id::destroy_accessor(call))),
    ]
}

impl Engine for AppRole {
    fn table() -> &'static PathTable<Self> {
        &TABLE
    }

    fn login_alias(&self, request: &Request) -> Option<String> {
        if request.path.trim_end_matches('/') != "login" {
            return None;
        }
        Some(request.data.get("role_id")?.as_str()?.trim().to_owned())
    }

    fn renew_login<'a>(
        &'a self,
        auth: &'a Auth,
        _request: &'a Request,
        context: Context<'a>,
    ) -> Boxed<'a, Result<Auth, Error>> {
        Box::pin(login::renew(auth, context))
    }

    fn tick<'a>(&'a self, context: Context<'a>) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async move { secret_id::sweep(context).await.map(|_| ()) })
    }
}
