//! Logging in, and renewing what a login gave.

use serde_json::Value;
use vault_sdk::table::Call;
use vault_sdk::time::Seconds;
use vault_sdk::{Alias, Auth, Context, Error, Response, cidr};

use super::role::{self, Role};
use super::secret_id::{self, SecretId};
use crate::token_params::TokenParams;

const REFUSED: &str = "invalid role or secret ID";

fn refused() -> Error {
    Error::BadCredentials(REFUSED.to_owned())
}

/// A role that is not there, so that a login to it does the same work as to one that is.
fn nobody() -> Role {
    Role {
        role_id: String::new(),
        uuid: "00000000-0000-0000-0000-000000000000".to_owned(),
        hash_key: "00".repeat(32),
        bind_secret_id: true,
        local_secret_ids: false,
        secret_id_bound_cidrs: Vec::new(),
        secret_id_num_uses: 0,
        secret_id_ttl: Seconds::ZERO,
        params: TokenParams::default(),
        shows_old_policies: false,
    }
}

pub(super) async fn login(call: &Call<'_>) -> Result<Response, Error> {
    let role_id = call.text("role_id").trim();
    if role_id.is_empty() {
        return Err(Error::invalid("missing role_id"));
    }
    let storage = call.context.storage;
    let name = storage.read::<String>(&role::id_key(role_id)).await?.map(|(name, _)| name);
    let name = name.unwrap_or_default();
    let role = storage.read::<Role>(&role::key(&name)).await?.map(|(role, _)| role);
    // The identifier's entry and the role are written together; they still must agree.
    let role = role.filter(|role| role.role_id == role_id);
    let is_known = role.is_some();
    let role = role.unwrap_or_else(nobody);

    let remote = call.request.connection.remote;
    let secret = if role.bind_secret_id {
        let id = call.text("secret_id").trim();
        if id.is_empty() {
            return Err(Error::invalid("missing secret_id"));
        }
        let may = |record: &SecretId| cidr::allowed(&record.cidrs, remote);
        let found = secret_id::take_use(call.context, &role, id, may).await?;
        Some(found.ok_or_else(refused)?)
    } else {
        None
    };
    let networks_allow = cidr::allowed(&role.secret_id_bound_cidrs, remote)
        && cidr::allowed(&role.params.bound_cidrs, remote);
    if !is_known || !networks_allow {
        return Err(refused());
    }
    Ok(Response::auth(issue(&role, &name, secret)))
}

fn issue(role: &Role, name: &str, secret: Option<SecretId>) -> Auth {
    let mut auth = role.params.auth();
    if let Some(secret) = secret {
        auth.metadata = secret.metadata;
        if !secret.token_cidrs.is_empty() {
            auth.bound_cidrs = secret.token_cidrs;
        }
    }
    auth.metadata.insert("role_name".to_owned(), name.to_owned());
    auth.role = name.to_owned();
    auth.internal.insert("role_name".to_owned(), name.to_owned().into());
    auth.internal.insert("role_uuid".to_owned(), role.uuid.clone().into());
    let metadata = auth.metadata.clone();
    auth.alias = Some(Alias { name: role.role_id.clone(), metadata });
    auth
}

pub(super) async fn renew(auth: &Auth, context: Context<'_>) -> Result<Auth, Error> {
    let text = |key: &str| auth.internal.get(key).and_then(Value::as_str).unwrap_or_default();
    let role = context.storage.read::<Role>(&role::key(text("role_name"))).await?;
    match role {
        Some((role, _)) if role.uuid == text("role_uuid") => {
            let (ttl, max_ttl, period) = (role.params.ttl, role.params.max_ttl, role.params.period);
            Ok(Auth { ttl, max_ttl, period, ..auth.clone() })
        }
        _ => Err(Error::invalid("role does not exist during renewal")),
    }
}
