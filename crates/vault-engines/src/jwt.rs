//! JWT: callers log in with a signed token of an issuer that is configured.
//!
//! In storage: `config`, and `role/NAME`. Keys come from the configuration, a JWKS or the issuer's discovery
//! document. The algorithm must be one that the key's own type allows, so that a token cannot choose how it is
//! checked. The redirect flow of OIDC is not here; its roles are refused.

mod claims;
mod key;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vault_sdk::table::{Call, Field, Path, PathTable};
use vault_sdk::time::Seconds;
use vault_sdk::{
    Alias, Auth, Boxed, Context, Data, Engine, Error, Expect, Operation, Request, Response, cidr,
};

use crate::page;
use crate::token_params::{self, OldNames, TokenParams};

/// The engine.
#[derive(Debug)]
pub struct Jwt;

/// Whose tokens are believed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Config {
    /// Public keys in PEM.
    pubkeys: Vec<String>,
    jwks_url: String,
    jwks_ca_pem: String,
    discovery_url: String,
    discovery_ca_pem: String,
    /// Empty for any; with discovery, the issuer of the document.
    bound_issuer: String,
    supported_algs: Vec<String>,
    default_role: String,
}

/// A role.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Role {
    uuid: String,
    bound_audiences: Vec<String>,
    bound_subject: String,
    bound_claims: Data,
    glob_claims: bool,
    claim_mappings: BTreeMap<String, String>,
    user_claim: String,
    groups_claim: String,
    expiration_leeway: Seconds,
    not_before_leeway: Seconds,
    clock_skew_leeway: Seconds,
    params: TokenParams,
}

static TABLE: LazyLock<PathTable<Jwt>> = LazyLock::new(|| {
    PathTable::new(
        "JWT lets callers in by a signed token of an issuer that is configured.",
        vec![
            Path::new("login")
                .help("Logs in with a JWT.", "")
                .unauthenticated()
                .field(Field::string("role", "Name of the role; the default one if empty."))
                .field(Field::string("jwt", "The signed token.").sensitive())
                .on(Operation::Update, |_, call| Box::pin(login(call))),
            config_path(),
            Path::new("role")
                .help("Lists roles.", "")
                .fields(page::fields())
                .on(Operation::List, |_, call| Box::pin(page::list(call, "role/"))),
            role_path(),
        ],
    )
});

fn config_path() -> Path<Jwt> {
    Path::new("config")
        .help("Whose tokens are believed.", "Exactly one of keys, JWKS and discovery.")
        .field(Field::list("jwt_validation_pubkeys", "Public keys in PEM."))
        .field(Field::string("jwks_url", "URL of a JWKS."))
        .field(Field::string("jwks_ca_pem", "CA of that URL, in PEM."))
        .field(Field::string("oidc_discovery_url", "URL of an issuer with a discovery document."))
        .field(Field::string("oidc_discovery_ca_pem", "CA of that URL, in PEM."))
        .field(Field::string("bound_issuer", "The issuer that tokens must name."))
        .field(Field::list(
            "jwt_supported_algs",
            "Algorithms that are accepted; all known ones if empty.",
        ))
        .field(Field::string("default_role", "Role of logins that name none."))
        .on(Operation::Read, |_, call| Box::pin(read_config(call)))
        .on(Operation::Update, |_, call| Box::pin(write_config(call)))
}

fn role_path() -> Path<Jwt> {
    Path::new("role/{name}")
        .help("Makes, reads, changes and removes roles.", "")
        .field(Field::lower_case("name", "Name of the role."))
        .field(Field::string("role_type", "Must be jwt."))
        .field(Field::list("bound_audiences", "A token must be for one of these."))
        .field(Field::string("bound_subject", "The subject that a token must have."))
        .field(Field::map("bound_claims", "Claims and the values that they must have."))
        .field(Field::string("bound_claims_type", "string or glob.").allowed(&["string", "glob"]))
        .field(Field::text_map(
            "claim_mappings",
            "Claims that become metadata, with the names there.",
        ))
        .field(Field::string("user_claim", "The claim that names the user."))
        .field(Field::string("groups_claim", "The claim that lists the user's groups."))
        .field(Field::seconds("expiration_leeway", "How long an expired token is still taken."))
        .field(Field::seconds("not_before_leeway", "How early a token is taken."))
        .field(Field::seconds("clock_skew_leeway", "How far clocks may differ; 60 s if not set."))
        .fields(token_params::fields())
        .fields(OldNames::USUAL.fields())
        .field(Field::integer("num_uses", "Use token_num_uses.").deprecated())
        .exists(|_, call| Box::pin(exists(call)))
        .on_write(|_, call| Box::pin(write_role(call)))
        .on(Operation::Read, |_, call| Box::pin(read_role(call)))
        .on(Operation::Delete, |_, call| Box::pin(delete_role(call)))
}

impl Engine for Jwt {
    fn table() -> &'static PathTable<Self> {
        &TABLE
    }

    fn login_role(&self, request: &Request) -> Option<String> {
        (request.path.trim_end_matches('/') == "login")
            .then(|| request.data.get("role")?.as_str().map(str::to_lowercase))?
    }

    fn renew_login<'a>(
        &'a self,
        auth: &'a Auth,
        _request: &'a Request,
        context: Context<'a>,
    ) -> Boxed<'a, Result<Auth, Error>> {
        Box::pin(async move {
            let text = |key: &str| auth.internal.get(key).and_then(Value::as_str);
            let name = text("role").unwrap_or_default();
            match context.storage.read::<Role>(&key_of(name)).await? {
                Some((role, _)) if Some(role.uuid.as_str()) == text("uuid") => {
                    role.params.renewed(auth)
                }
                _ => Err(Error::invalid("the role is gone, not renewing")),
            }
        })
    }
}

fn key_of(name: &str) -> String {
    format!("role/{name}")
}

async fn load(call: &Call<'_>, name: &str) -> Result<Option<(Role, u64)>, Error> {
    // The name of a login comes from its body; a path's is checked by its pattern.
    if name.is_empty() || name.contains('/') {
        return Ok(None);
    }
    call.context.storage.read(&key_of(name)).await
}

async fn exists(call: &Call<'_>) -> Result<bool, Error> {
    Ok(load(call, call.text("name")).await?.is_some())
}

async fn config(call: &Call<'_>) -> Result<Option<Config>, Error> {
    Ok(call.context.storage.read("config").await?.map(|(config, _)| config))
}

async fn read_config(call: &Call<'_>) -> Result<Response, Error> {
    let config = config(call).await?.ok_or(Error::NotFound)?;
    Ok(Response::json(json!({
        "jwt_validation_pubkeys": config.pubkeys,
        "jwks_url": config.jwks_url,
        "jwks_ca_pem": config.jwks_ca_pem,
        "oidc_discovery_url": config.discovery_url,
        "oidc_discovery_ca_pem": config.discovery_ca_pem,
        "bound_issuer": config.bound_issuer,
        "jwt_supported_algs": config.supported_algs,
        "default_role": config.default_role,
    })))
}

async fn write_config(call: &Call<'_>) -> Result<Response, Error> {
    let text = |name: &str| call.text(name).trim().to_owned();
    let config = Config {
        pubkeys: call.list("jwt_validation_pubkeys"),
        jwks_url: text("jwks_url"),
        jwks_ca_pem: text("jwks_ca_pem"),
        discovery_url: text("oidc_discovery_url"),
        discovery_ca_pem: text("oidc_discovery_ca_pem"),
        bound_issuer: text("bound_issuer"),
        supported_algs: call.list("jwt_supported_algs"),
        default_role: text("default_role").to_lowercase(),
    };
    let sources =
        [!config.pubkeys.is_empty(), !config.jwks_url.is_empty(), !config.discovery_url.is_empty()];
    if sources.iter().filter(|is_set| **is_set).count() != 1 {
        return Err(Error::invalid(
            "exactly one of 'jwt_validation_pubkeys', 'jwks_url' or 'oidc_discovery_url' must be set",
        ));
    }
    for pem in &config.pubkeys {
        key::from_pem(pem).ok_or_else(|| {
            Error::invalid("error parsing public key: expected RSA, EC or Ed25519 in PEM")
        })?;
    }
    if let Some(alg) = config.supported_algs.iter().find(|alg| !key::is_known(alg)) {
        return Err(Error::Invalid(format!("unsupported signing algorithm: {alg}")));
    }
    // A source that does not answer is found out now and not at the first login.
    source::keys(call.context, &config).await?;
    call.context.storage.put("config", Expect::Anything, &config).await?;
    Ok(Response::empty())
}

async fn write_role(call: &Call<'_>) -> Result<Response, Error> {
    let name = call.text("name");
    let (mut role, expect) = match load(call, name).await? {
        Some((role, version)) => (role, Expect::Version(version)),
        None => (Role { uuid: call.context.uuid(), ..Role::default() }, Expect::Absent),
    };
    if call.text_if_given("role_type").is_some_and(|kind| kind != "jwt") {
        return Err(Error::invalid(
            "role_type must be \"jwt\": the redirect flow of OIDC is not supported",
        ));
    }
    if call.given("bound_audiences") {
        role.bound_audiences = call.list("bound_audiences");
    }
    if let Some(claims) = call.map("bound_claims") {
        role.bound_claims = claims.clone();
    }
    if let Some(kind) = call.text_if_given("bound_claims_type") {
        role.glob_claims = kind == "glob";
    }
    if call.given("claim_mappings") {
        role.claim_mappings = call.text_map("claim_mappings");
    }
    for (field, slot) in [
        ("bound_subject", &mut role.bound_subject),
        ("user_claim", &mut role.user_claim),
        ("groups_claim", &mut role.groups_claim),
    ] {
        if let Some(text) = call.text_if_given(field) {
            text.clone_into(slot);
        }
    }
    for (field, slot) in [
        ("expiration_leeway", &mut role.expiration_leeway),
        ("not_before_leeway", &mut role.not_before_leeway),
        ("clock_skew_leeway", &mut role.clock_skew_leeway),
    ] {
        if call.given(field) {
            *slot = call.seconds(field);
        }
    }
    if role.user_claim.is_empty() {
        return Err(Error::invalid("a user claim must be defined on the role"));
    }
    let cidrs_bind = call.given("token_bound_cidrs") || !role.params.bound_cidrs.is_empty();
    let is_bound = !role.bound_audiences.is_empty()
        || !role.bound_subject.is_empty()
        || !role.bound_claims.is_empty()
        || cidrs_bind;
    if !is_bound {
        return Err(Error::invalid(
            "must have at least one bound constraint when creating/updating a role",
        ));
    }
    if call.given("num_uses") && !call.given("token_num_uses") {
        role.params.num_uses = call.count("num_uses")?;
    }
    role.params.update(call, OldNames::USUAL)?;
    call.context.storage.put(&key_of(name), expect, &role).await?;
    Ok(Response::empty())
}

async fn read_role(call: &Call<'_>) -> Result<Response, Error> {
    let (role, _) = load(call, call.text("name")).await?.ok_or(Error::NotFound)?;
    let mut data = role.params.show();
    for (name, value) in [
        ("role_type", json!("jwt")),
        ("bound_audiences", json!(role.bound_audiences)),
        ("bound_subject", json!(role.bound_subject)),
        ("bound_claims", json!(role.bound_claims)),
        ("bound_claims_type", json!(if role.glob_claims { "glob" } else { "string" })),
        ("claim_mappings", json!(role.claim_mappings)),
        ("user_claim", json!(role.user_claim)),
        ("groups_claim", json!(role.groups_claim)),
        ("expiration_leeway", json!(role.expiration_leeway.0)),
        ("not_before_leeway", json!(role.not_before_leeway.0)),
        ("clock_skew_leeway", json!(role.clock_skew_leeway.0)),
    ] {
        data.insert(name.to_owned(), value);
    }
    Ok(Response::data(data))
}

async fn delete_role(call: &Call<'_>) -> Result<Response, Error> {
    call.context.storage.delete(&key_of(call.text("name"))).await?;
    Ok(Response::empty())
}

async fn login(call: &Call<'_>) -> Result<Response, Error> {
    let config = config(call).await?;
    let config = config.ok_or_else(|| Error::invalid("could not load configuration"))?;
    let given = call.text("role").trim().to_lowercase();
    let name = if given.is_empty() { config.default_role.clone() } else { given };
    if name.is_empty() {
        return Err(Error::invalid("missing role"));
    }
    let jwt = call.text("jwt").trim();
    if jwt.is_empty() {
        return Err(Error::invalid("missing token"));
    }
    let role = load(call, &name).await?.map(|(role, _)| role);
    let role = role.ok_or_else(|| Error::Invalid(format!("role {name:?} could not be found")))?;
    if !cidr::allowed(&role.params.bound_cidrs, call.request.connection.remote) {
        return Err(Error::Denied);
    }
    let keys = source::keys(call.context, &config).await?;
    let wrong = |text: &str| Error::BadCredentials(format!("error validating token: {text}"));
    let claims = key::verify(jwt, &keys, &config.supported_algs).map_err(wrong)?;
    claims::check(&claims, &role, &config, call.context.now()).map_err(wrong)?;
    let user = claims::text(&claims, &role.user_claim);
    let user =
        user.filter(|user| !user.is_empty()).ok_or_else(|| wrong("the user claim is missing"))?;
    let mut auth = role.params.auth();
    auth.metadata = claims::mapped(&claims, &role.claim_mappings).map_err(wrong)?;
    auth.group_aliases = claims::groups(&claims, &role.groups_claim).map_err(wrong)?;
    let metadata = auth.metadata.clone();
    auth.metadata.insert("role".to_owned(), name.clone());
    auth.internal.insert("role".to_owned(), name.clone().into());
    auth.internal.insert("uuid".to_owned(), role.uuid.into());
    auth.display_name.clone_from(&user);
    auth.alias = Some(Alias { name: user, metadata });
    auth.role = name;
    Ok(Response::auth(auth))
}
