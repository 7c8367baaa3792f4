//! Userpass: names and passwords.
//!
//! In storage: `user/NAME`, with the bcrypt hash. A login with a name that is not there checks the password
//! against a hash nobody knows the password of, so that it costs the same.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use vault_sdk::table::{Call, Field, Path, PathTable};
use vault_sdk::{
    Alias, Auth, Boxed, Context, Engine, Error, Expect, Operation, Request, Response, cidr,
};

use crate::page;
use crate::token_params::{self, OldNames, TokenParams};

/// The engine.
#[derive(Debug)]
pub struct UserPass;

#[derive(Clone, Serialize, Deserialize)]
struct User {
    /// In bcrypt's own form.
    hash: String,
    /// Changes when the user is made anew: tokens of the old one cannot be renewed.
    uuid: String,
    params: TokenParams,
}

/// bcrypt's cost, as Vault's.
const COST: u32 = 10;

/// A hash of the same cost that no password is known for.
const NOBODY: &str = "$2b$10$7Q8bq0S9dW2p3yQxvKzH0u1mJtqk5bC6m8aL2eY4rN1sT9wZ3xV5O";

const REFUSED: &str = "invalid username or password";

static TABLE: LazyLock<PathTable<UserPass>> = LazyLock::new(|| {
    let username = || Field::lower_case("username", "Name of the user.");
    let password = || Field::string("password", "The password.").sensitive();
    let hash = || Field::string("password_hash", "The password, hashed by bcrypt.").sensitive();
    PathTable::new(
        "Userpass lets users in who know a name and a password.",
        vec![
            Path::new("login/{username}")
                .help("Logs in.", "")
                .unauthenticated()
                .field(username())
                .field(password())
                .on(Operation::Update, |_, call| Box::pin(login(call))),
            Path::new("users")
                .help("Lists users.", "")
                .fields(page::fields())
                .on(Operation::List, |_, call| Box::pin(page::list(call, "user/"))),
            Path::new("users/{username}")
                .help("Makes, reads, changes and removes users.", "")
                .field(username())
                .field(password())
                .field(hash())
                .fields(token_params::fields())
                .fields(OldNames::USUAL.fields())
                .exists(|_, call| Box::pin(exists(call)))
                .on_write(|_, call| Box::pin(write(call)))
                .on(Operation::Read, |_, call| Box::pin(read(call)))
                .on(Operation::Delete, |_, call| Box::pin(delete(call))),
            Path::new("users/{username}/password")
                .help("Changes a password.", "")
                .field(username())
                .field(password())
                .field(hash())
                .on(Operation::Update, |_, call| Box::pin(write_password(call))),
            Path::new("users/{username}/policies")
                .help("Changes a user's policies.", "")
                .field(username())
                .field(Field::list("policies", "Use token_policies.").deprecated())
                .field(Field::list("token_policies", "Policies of tokens."))
                .on(Operation::Update, |_, call| Box::pin(write_policies(call))),
        ],
    )
});

impl Engine for UserPass {
    fn table() -> &'static PathTable<Self> {
        &TABLE
    }

    /// The name as the login normalises it: white space and case do not make another user of the same.
    fn login_alias(&self, request: &Request) -> Option<String> {
        let name = request.path.strip_prefix("login/")?;
        Some(name.trim_end_matches('/').trim().to_lowercase())
    }

    fn renew_login<'a>(
        &'a self,
        auth: &'a Auth,
        _request: &'a Request,
        context: Context<'a>,
    ) -> Boxed<'a, Result<Auth, Error>> {
        Box::pin(async move {
            let text = |key: &str| auth.internal.get(key).and_then(|value| value.as_str());
            let name = text("username").unwrap_or_default();
            let user = context.storage.read::<User>(&key(name)).await?;
            match user {
                Some((user, _)) if Some(user.uuid.as_str()) == text("uuid") => {
                    user.params.renewed(auth)
                }
                _ => Err(Error::invalid("the user is gone, not renewing")),
            }
        })
    }
}

fn key(username: &str) -> String {
    format!("user/{username}")
}

async fn load(call: &Call<'_>) -> Result<Option<(User, u64)>, Error> {
    call.context.storage.read(&key(call.text("username"))).await
}

async fn exists(call: &Call<'_>) -> Result<bool, Error> {
    Ok(load(call).await?.is_some())
}

async fn login(call: &Call<'_>) -> Result<Response, Error> {
    let password = call.text("password");
    if password.is_empty() {
        return Err(Error::invalid("missing password"));
    }
    let user = load(call).await?.map(|(user, _)| user);
    let hash = user.as_ref().map_or(NOBODY, |user| user.hash.as_str());
    let matches = bcrypt::verify(password, hash).unwrap_or(false);
    let Some(user) = user.filter(|_| matches) else {
        return Err(Error::BadCredentials(REFUSED.to_owned()));
    };
    if !cidr::allowed(&user.params.bound_cidrs, call.request.connection.remote) {
        return Err(Error::BadCredentials(REFUSED.to_owned()));
    }
    let name = call.text("username").to_owned();
    let mut auth = user.params.auth();
    auth.metadata.insert("username".to_owned(), name.clone());
    auth.display_name.clone_from(&name);
    auth.role.clone_from(&name);
    auth.internal.insert("username".to_owned(), name.clone().into());
    auth.internal.insert("uuid".to_owned(), user.uuid.into());
    auth.alias = Some(Alias { name, ..Alias::default() });
    Ok(Response::auth(auth))
}

/// The hash of what the call gives, if it gives a password or a hash.
fn given_hash(call: &Call<'_>) -> Result<Option<String>, Error> {
    match (call.text("password"), call.text("password_hash")) {
        ("", "") => Ok(None),
        ("", hash) => {
            let parsed: Result<bcrypt::HashParts, _> = hash.parse();
            match parsed {
                Ok(parts) if (4..=16).contains(&parts.get_cost()) => Ok(Some(hash.to_owned())),
                _ => Err(Error::invalid("password_hash is not a valid bcrypt hash")),
            }
        }
        (password, "") => {
            if password.len() > 72 {
                return Err(Error::invalid("password length exceeds 72 bytes"));
            }
            let salt = call.context.random();
            let parts = bcrypt::hash_with_salt(password, COST, salt);
            let parts = parts.map_err(|_| Error::Bug("bcrypt refuses its own cost"))?;
            Ok(Some(parts.format_for_version(bcrypt::Version::TwoA)))
        }
        _ => Err(Error::invalid("password and password_hash are mutually exclusive")),
    }
}

fn no_password() -> Error {
    Error::invalid("must provide either password or password_hash")
}

async fn write(call: &Call<'_>) -> Result<Response, Error> {
    let hash = given_hash(call)?;
    let (user, expect) = match load(call).await? {
        Some((mut user, version)) => {
            user.hash = hash.unwrap_or(user.hash);
            (user, Expect::Version(version))
        }
        None => {
            let hash = hash.ok_or_else(no_password)?;
            let params = TokenParams::default();
            (User { hash, uuid: call.context.uuid(), params }, Expect::Absent)
        }
    };
    let mut user = user;
    user.params.update(call, OldNames::USUAL)?;
    call.context.storage.put(&key(call.text("username")), expect, &user).await?;
    Ok(Response::empty())
}

async fn load_to_change(call: &Call<'_>) -> Result<(User, Expect), Error> {
    let user = load(call).await?.ok_or_else(|| Error::invalid("username does not exist"))?;
    Ok((user.0, Expect::Version(user.1)))
}

async fn write_password(call: &Call<'_>) -> Result<Response, Error> {
    let hash = given_hash(call)?.ok_or_else(no_password)?;
    let (mut user, expect) = load_to_change(call).await?;
    user.hash = hash;
    call.context.storage.put(&key(call.text("username")), expect, &user).await?;
    Ok(Response::empty())
}

async fn write_policies(call: &Call<'_>) -> Result<Response, Error> {
    let (mut user, expect) = load_to_change(call).await?;
    let name = if call.given("token_policies") { "token_policies" } else { "policies" };
    user.params.policies = token_params::policies(call.list(name))?;
    call.context.storage.put(&key(call.text("username")), expect, &user).await?;
    Ok(Response::empty())
}

async fn read(call: &Call<'_>) -> Result<Response, Error> {
    let (user, _) = load(call).await?.ok_or(Error::NotFound)?;
    Ok(Response::data(user.params.show()))
}

async fn delete(call: &Call<'_>) -> Result<Response, Error> {
    call.context.storage.delete(&key(call.text("username"))).await?;
    Ok(Response::empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use vault_sdk::MountClass;
    use vault_sdk::time::Seconds;

    use super::*;
    use crate::testing::{Bench, now};

    fn bench() -> Bench<UserPass> {
        Bench::new(UserPass, "auth/userpass/", MountClass::Auth)
    }

    fn log_in(bench: &Bench<UserPass>, name: &str, password: &str) -> Result<Auth, Error> {
        let data = json!({ "password": password });
        let mut answer = bench.ask(Operation::Update, &format!("login/{name}"), data)?;
        Ok(answer.auth.take().unwrap())
    }

    fn add(bench: &Bench<UserPass>, name: &str, data: Value) {
        bench.ask(Operation::Create, &format!("users/{name}"), data).unwrap();
    }

    #[test]
    fn a_password_lets_in_and_another_does_not() {
        let bench = bench();
        add(&bench, "Ann", json!({ "password": "pw", "policies": "P, q", "ttl": "5m" }));
        let auth = log_in(&bench, "ann", "pw").unwrap();
        assert_eq!(auth.policies, ["p", "q"]);
        assert_eq!(auth.ttl, Seconds(300));
        assert_eq!(auth.alias.unwrap().name, "ann");
        assert_eq!(auth.metadata["username"], "ann");
        assert!(log_in(&bench, "ANN", "pw").is_ok());
        for (name, password) in [("ann", "PW"), ("bob", "pw")] {
            let refusal = log_in(&bench, name, password).unwrap_err();
            assert!(
                matches!(&refusal, Error::BadCredentials(text) if text == REFUSED),
                "{refusal}"
            );
        }
        assert_eq!(bench.refusal(Operation::Update, "login/ann", json!({})), "missing password");
    }

    /// The hash that unknown names are checked against is one that bcrypt takes its full time for.
    #[test]
    fn an_unknown_name_costs_as_much_as_a_known_one() {
        let parts: bcrypt::HashParts = NOBODY.parse().unwrap();
        assert_eq!(parts.get_cost(), COST);
        assert!(!bcrypt::verify("pw", NOBODY).unwrap());
    }

    #[test]
    fn users_are_read_changed_and_removed() {
        let bench = bench();
        assert_eq!(
            bench.refusal(Operation::Create, "users/ann", json!({ "policies": "p" })),
            "must provide either password or password_hash"
        );
        add(&bench, "ann", json!({ "password": "pw", "token_policies": ["p"] }));
        let shown = bench.get(Operation::Read, "users/ann", json!({}));
        assert_eq!(shown["token_policies"], json!(["p"]));
        assert!(!json!(shown).to_string().contains("$2"));
        bench.ask(Operation::Update, "users/ann/password", json!({ "password": "new" })).unwrap();
        bench.ask(Operation::Update, "users/ann/policies", json!({ "policies": "r" })).unwrap();
        assert_eq!(log_in(&bench, "ann", "new").unwrap().policies, ["r"]);
        assert_eq!(bench.get(Operation::List, "users", json!({}))["keys"], json!(["ann"]));
        bench.ask(Operation::Delete, "users/ann", json!({})).unwrap();
        assert!(matches!(bench.ask(Operation::Read, "users/ann", json!({})), Err(Error::NotFound)));
        assert!(log_in(&bench, "ann", "new").is_err());
    }

    #[test]
    fn hashes_of_others_are_taken_if_they_are_bcrypt() {
        let bench = bench();
        let hash = bcrypt::hash("pw", 4).unwrap();
        add(&bench, "ann", json!({ "password_hash": hash }));
        assert!(log_in(&bench, "ann", "pw").is_ok());
        for bad in ["canary", "$2b$31$7Q8bq0S9dW2p3yQxvKzH0u1mJtqk5bC6m8aL2eY4rN1sT9wZ3xV5O"] {
            let data = json!({ "password_hash": bad });
            let refusal = bench.refusal(Operation::Create, "users/bob", data);
            assert_eq!(refusal, "password_hash is not a valid bcrypt hash");
        }
        let long = json!({ "password": "x".repeat(73) });
        assert!(bench.ask(Operation::Create, "users/bob", long).is_err());
    }

    /// CVE-2025-5999: no spelling of root gets through.
    #[test]
    fn nobody_becomes_root() {
        for policies in ["root", " Root ", "p,ROOT"] {
            let data = json!({ "password": "pw", "token_policies": policies });
            let refusal = bench().refusal(Operation::Create, "users/ann", data);
            assert_eq!(refusal, "auth methods cannot create root tokens");
        }
    }

    /// CVE-2025-6004: lockout counts under the name that the login uses.
    #[test]
    fn the_alias_is_normalised_as_the_login_does() {
        let alias = |path: &str| {
            let request = Request::new(Operation::Update, path, vault_sdk::Data::new());
            Engine::login_alias(&UserPass, &request)
        };
        for path in ["login/ann", "login/ANN", "login/Ann/", "login/ ann "] {
            assert_eq!(alias(path).as_deref(), Some("ann"), "{path}");
        }
        assert_eq!(alias("users/ann"), None);
    }

    #[test]
    fn networks_bind_the_login() {
        let bench = bench();
        add(&bench, "ann", json!({ "password": "pw", "token_bound_cidrs": "10.0.0.0/8" }));
        let mut request = Request::new(
            Operation::Update,
            "login/ann",
            crate::testing::object(json!({ "password": "pw" })),
        );
        for (address, ok) in [("10.1.1.1", true), ("11.1.1.1", false)] {
            request.connection.remote = Some(address.parse().unwrap());
            assert_eq!(bench.send(&request).is_ok(), ok, "{address}");
        }
    }

    #[test]
    fn renewal_asks_again() {
        let bench = bench();
        add(&bench, "ann", json!({ "password": "pw", "token_policies": "p" }));
        let auth = log_in(&bench, "ann", "pw").unwrap();
        let renew = || {
            let request = Request::default();
            now(Engine::renew_login(&UserPass, &auth, &request, bench.memory.context()))
        };
        add(&bench, "ann", json!({ "token_ttl": 60 }));
        assert_eq!(renew().unwrap().ttl, Seconds(60));
        add(&bench, "ann", json!({ "token_policies": "q" }));
        assert_eq!(renew().unwrap_err().to_string(), "policies have changed, not renewing");
        bench.ask(Operation::Delete, "users/ann", json!({})).unwrap();
        add(&bench, "ann", json!({ "password": "pw", "token_policies": "p" }));
        assert_eq!(renew().unwrap_err().to_string(), "the user is gone, not renewing");
    }
}
