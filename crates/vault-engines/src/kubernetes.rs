//! Kubernetes: pods log in with their service account's token, which the cluster itself reviews.
//!
//! In storage: `config`, and `role/NAME`. The token's own claims decide nothing: what counts is the answer of
//! the API server's TokenReview, asked over TLS whose CA is configured. A role bounds names, namespaces and,
//! if it says so, the audience.

mod review;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::json;
use vault_sdk::table::{Call, Field, Path, PathTable};
use vault_sdk::{
    Alias, Auth, Boxed, Context, Engine, Error, Expect, Operation, Request, Response, cidr, glob,
};

use crate::page;
use crate::token_params::{self, OldNames, TokenParams};

/// The engine.
#[derive(Debug)]
pub struct Kubernetes;

/// The cluster.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Config {
    host: String,
    ca_cert: String,
    /// Empty to ask with the token that is reviewed.
    reviewer_jwt: String,
    disable_local_ca_jwt: bool,
    /// Shown; the cluster checks the issuer.
    issuer: String,
    disable_iss_validation: bool,
}

/// A role.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Role {
    uuid: String,
    names: Vec<String>,
    namespaces: Vec<String>,
    /// Empty for any.
    audience: String,
    alias_by_name: bool,
    params: TokenParams,
}

const BY_UID: &str = "serviceaccount_uid";
const BY_NAME: &str = "serviceaccount_name";

static TABLE: LazyLock<PathTable<Kubernetes>> = LazyLock::new(|| {
    PathTable::new(
        "Kubernetes lets pods in by the tokens of their service accounts.",
        vec![
            Path::new("login")
                .help("Logs in with a service account's token.", "")
                .unauthenticated()
                .field(Field::string("role", "Name of the role."))
                .field(Field::string("jwt", "The service account's token.").sensitive())
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

fn config_path() -> Path<Kubernetes> {
    Path::new("config")
        .help("The cluster whose tokens are reviewed.", "")
        .field(Field::string("kubernetes_host", "URL of the API server."))
        .field(Field::string("kubernetes_ca_cert", "CA of the API server, in PEM."))
        .field(Field::string("token_reviewer_jwt", "The token to ask with.").sensitive())
        .field(Field::list("pem_keys", "Must be empty: tokens are reviewed by the cluster."))
        .field(
            Field::string("issuer", "Kept and shown; the cluster checks the issuer.").deprecated(),
        )
        .field(Field::bool("disable_iss_validation", "Kept and shown.").deprecated().default(true))
        .field(Field::bool("disable_local_ca_jwt", "Whether the CA must be given here."))
        .on(Operation::Read, |_, call| Box::pin(read_config(call)))
        .on(Operation::Update, |_, call| Box::pin(write_config(call)))
}

fn role_path() -> Path<Kubernetes> {
    Path::new("role/{name}")
        .help("Makes, reads, changes and removes roles.", "")
        .field(Field::lower_case("name", "Name of the role."))
        .field(Field::list("bound_service_account_names", "Names that may log in; globs."))
        .field(Field::list(
            "bound_service_account_namespaces",
            "Namespaces that may log in; globs.",
        ))
        .field(Field::string("audience", "Audience that a token must have."))
        .field(Field::string("alias_name_source", "serviceaccount_uid or serviceaccount_name."))
        .fields(token_params::fields())
        .fields(OldNames { period: "period", ..OldNames::USUAL }.fields())
        .field(Field::integer("num_uses", "Use token_num_uses.").deprecated())
        .exists(|_, call| Box::pin(exists(call)))
        .on_write(|_, call| Box::pin(write_role(call)))
        .on(Operation::Read, |_, call| Box::pin(read_role(call)))
        .on(Operation::Delete, |_, call| Box::pin(delete_role(call)))
}

impl Engine for Kubernetes {
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
            let text = |key: &str| auth.internal.get(key).and_then(|value| value.as_str());
            let name = text("role").unwrap_or_default();
            match context.storage.read::<Role>(&key(name)).await? {
                Some((role, _)) if Some(role.uuid.as_str()) == text("uuid") => {
                    role.params.renewed(auth)
                }
                _ => Err(Error::invalid("the role is gone, not renewing")),
            }
        })
    }
}

fn key(name: &str) -> String {
    format!("role/{name}")
}

async fn load(call: &Call<'_>, name: &str) -> Result<Option<(Role, u64)>, Error> {
    // The name of a login comes from its body; a path's is checked by its pattern.
    if name.is_empty() || name.contains('/') {
        return Ok(None);
    }
    call.context.storage.read(&key(name)).await
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
        "kubernetes_host": config.host,
        "kubernetes_ca_cert": config.ca_cert,
        "pem_keys": [],
        "issuer": config.issuer,
        "disable_iss_validation": config.disable_iss_validation,
        "disable_local_ca_jwt": config.disable_local_ca_jwt,
        "token_reviewer_jwt_set": !config.reviewer_jwt.is_empty(),
    })))
}

async fn write_config(call: &Call<'_>) -> Result<Response, Error> {
    let host = call.text("kubernetes_host").trim_end_matches('/');
    if !host.starts_with("https://") {
        return Err(Error::invalid("kubernetes_host must be a URL that begins with https://"));
    }
    if !call.list("pem_keys").is_empty() {
        return Err(Error::invalid("pem_keys must be empty: tokens are reviewed by the cluster"));
    }
    let ca_cert = call.text("kubernetes_ca_cert");
    let must_have_ca = call.bool("disable_local_ca_jwt");
    if ca_cert.is_empty() && must_have_ca {
        return Err(Error::invalid(
            "kubernetes_ca_cert must be given when disable_local_ca_jwt is true",
        ));
    }
    let config = Config {
        host: host.to_owned(),
        ca_cert: ca_cert.to_owned(),
        reviewer_jwt: call.text("token_reviewer_jwt").to_owned(),
        disable_local_ca_jwt: must_have_ca,
        issuer: call.text("issuer").to_owned(),
        disable_iss_validation: call.bool("disable_iss_validation"),
    };
    call.context.storage.put("config", Expect::Anything, &config).await?;
    Ok(Response::empty())
}

async fn write_role(call: &Call<'_>) -> Result<Response, Error> {
    let name = call.text("name");
    let (mut role, expect) = match load(call, name).await? {
        Some((role, version)) => (role, Expect::Version(version)),
        None => (Role { uuid: call.context.uuid(), ..Role::default() }, Expect::Absent),
    };
    if call.given("bound_service_account_names") {
        role.names = call.list("bound_service_account_names");
    }
    if call.given("bound_service_account_namespaces") {
        role.namespaces = call.list("bound_service_account_namespaces");
    }
    if let Some(audience) = call.text_if_given("audience") {
        audience.clone_into(&mut role.audience);
    }
    match call.text_if_given("alias_name_source") {
        None => {}
        Some(BY_UID | "") => role.alias_by_name = false,
        Some(BY_NAME) => role.alias_by_name = true,
        Some(_) => {
            return Err(Error::Invalid(format!(
                "invalid alias_name_source, must be one of: {BY_UID}, {BY_NAME}"
            )));
        }
    }
    if role.names.is_empty() {
        return Err(Error::invalid("\"bound_service_account_names\" can not be empty"));
    }
    if role.namespaces.is_empty() {
        return Err(Error::invalid("\"bound_service_account_namespaces\" can not be empty"));
    }
    if call.given("num_uses") && !call.given("token_num_uses") {
        role.params.num_uses = call.count("num_uses")?;
    }
    role.params.update(call, OldNames::USUAL)?;
    call.context.storage.put(&key(name), expect, &role).await?;
    Ok(Response::empty())
}

async fn read_role(call: &Call<'_>) -> Result<Response, Error> {
    let (role, _) = load(call, call.text("name")).await?.ok_or(Error::NotFound)?;
    let mut data = role.params.show();
    let source = if role.alias_by_name { BY_NAME } else { BY_UID };
    for (name, value) in [
        ("alias_name_source", json!(source)),
        ("bound_service_account_names", json!(role.names)),
        ("bound_service_account_namespaces", json!(role.namespaces)),
    ] {
        data.insert(name.to_owned(), value);
    }
    if !role.audience.is_empty() {
        data.insert("audience".to_owned(), json!(role.audience));
    }
    Ok(Response::data(data))
}

async fn delete_role(call: &Call<'_>) -> Result<Response, Error> {
    call.context.storage.delete(&key(call.text("name"))).await?;
    Ok(Response::empty())
}

async fn login(call: &Call<'_>) -> Result<Response, Error> {
    let (name, jwt) = (call.text("role").trim().to_lowercase(), call.text("jwt").trim());
    if name.is_empty() {
        return Err(Error::invalid("missing role"));
    }
    if jwt.is_empty() {
        return Err(Error::invalid("missing jwt"));
    }
    let role = load(call, &name).await?.map(|(role, _)| role);
    let role = role.ok_or_else(|| Error::Invalid(format!("invalid role name {name:?}")))?;
    let config = config(call).await?;
    let config = config.ok_or_else(|| Error::invalid("could not load backend configuration"))?;
    if !cidr::allowed(&role.params.bound_cidrs, call.request.connection.remote) {
        return Err(Error::Denied);
    }
    let account = review::review(call.context, &config, &role.audience, jwt).await?;
    let is_bound =
        |patterns: &[String], text: &str| patterns.iter().any(|p| glob::matches(p, text));
    if !is_bound(&role.namespaces, &account.namespace) || !is_bound(&role.names, &account.name) {
        return Err(Error::Denied);
    }
    let full = format!("{}/{}", account.namespace, account.name);
    let mut auth = role.params.auth();
    for (key, value) in [
        ("service_account_uid", &account.uid),
        ("service_account_name", &account.name),
        ("service_account_namespace", &account.namespace),
        ("role", &name),
    ] {
        auth.metadata.insert(key.to_owned(), value.clone());
    }
    auth.internal.insert("role".to_owned(), name.clone().into());
    auth.internal.insert("uuid".to_owned(), role.uuid.into());
    auth.alias = Some(Alias {
        name: if role.alias_by_name { full.clone() } else { account.uid },
        metadata: auth.metadata.clone(),
    });
    auth.display_name = full.replace('/', "-");
    auth.role = name;
    Ok(Response::auth(auth))
}
