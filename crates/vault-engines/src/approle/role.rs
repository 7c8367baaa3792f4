//! Roles.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vault_sdk::cidr::Cidr;
use vault_sdk::table::Call;
use vault_sdk::time::Seconds;
use vault_sdk::{Batch, Change, Error, Expect, Response, StorageError};

use crate::token_params::{OldNames, TokenParams, networks};

/// A role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Role {
    /// What a login names the role by.
    pub(super) role_id: String,
    /// Changes when the role is made anew.
    pub(super) uuid: String,
    /// Hashes secret identifiers, in hexadecimal.
    pub(super) hash_key: String,
    pub(super) bind_secret_id: bool,
    pub(super) local_secret_ids: bool,
    pub(super) secret_id_bound_cidrs: Vec<Cidr>,
    pub(super) secret_id_num_uses: u64,
    pub(super) secret_id_ttl: Seconds,
    pub(super) params: TokenParams,
    /// Whether the policies were last set by the old name, which is then shown too.
    #[serde(default)]
    pub(super) shows_old_policies: bool,
}

/// Old names of this method; secret identifiers have old names of their own.
pub(super) const OLD: OldNames =
    OldNames { policies: "policies", ttl: "", max_ttl: "", period: "period", bound_cidrs: "" };

pub(super) fn key(name: &str) -> String {
    format!("role/{name}")
}

/// Where the name of a role is found by its identifier, which may have any characters.
pub(super) fn id_key(role_id: &str) -> String {
    format!("id/{}", hex(&crypto::sha256(role_id.as_bytes())))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) async fn load(call: &Call<'_>) -> Result<Option<(Role, u64)>, Error> {
    call.context.storage.read(&key(call.text("role_name"))).await
}

/// The role of the call, which must be there.
pub(super) async fn must_load(call: &Call<'_>) -> Result<(Role, u64), Error> {
    load(call).await?.ok_or_else(|| {
        let text = format!("role {:?} does not exist", call.text("role_name"));
        Error::Status { status: 404, text }
    })
}

pub(super) async fn exists(call: &Call<'_>) -> Result<bool, Error> {
    Ok(load(call).await?.is_some())
}

impl Role {
    fn new(call: &Call<'_>) -> Self {
        Self {
            role_id: call.context.uuid(),
            uuid: call.context.uuid(),
            hash_key: hex(&call.context.random::<32>()),
            bind_secret_id: true,
            local_secret_ids: false,
            secret_id_bound_cidrs: Vec::new(),
            secret_id_num_uses: 0,
            secret_id_ttl: Seconds::ZERO,
            params: TokenParams::default(),
            shows_old_policies: false,
        }
    }

    fn check(&self) -> Result<(), Error> {
        let is_bound = self.bind_secret_id
            || !self.secret_id_bound_cidrs.is_empty()
            || !self.params.bound_cidrs.is_empty();
        if !is_bound {
            return Err(Error::invalid("at least one constraint should be enabled on the role"));
        }
        self.params.check()
    }

    fn show(&self) -> Value {
        let cidrs: Vec<String> =
            self.secret_id_bound_cidrs.iter().map(ToString::to_string).collect();
        let mut data = self.params.show();
        data.insert("bind_secret_id".to_owned(), json!(self.bind_secret_id));
        data.insert("local_secret_ids".to_owned(), json!(self.local_secret_ids));
        let cidrs = if cidrs.is_empty() { Value::Null } else { json!(cidrs) };
        data.insert("secret_id_bound_cidrs".to_owned(), cidrs);
        data.insert("secret_id_num_uses".to_owned(), json!(self.secret_id_num_uses));
        data.insert("secret_id_ttl".to_owned(), json!(self.secret_id_ttl.0));
        if self.shows_old_policies {
            data.insert("policies".to_owned(), json!(self.params.policies));
        }
        Value::Object(data)
    }
}

/// Networks of secret identifiers, as they are kept: with a prefix length.
pub(super) fn secret_id_networks(texts: &[String]) -> Result<Vec<Cidr>, Error> {
    Ok(networks(texts)?.into_iter().map(Cidr::with_prefix).collect())
}

pub(super) async fn write(call: &Call<'_>) -> Result<Response, Error> {
    let old = load(call).await?;
    let expect = old.as_ref().map_or(Expect::Absent, |(_, version)| Expect::Version(*version));
    let old = old.map(|(role, _)| role);
    let mut role = old.clone().unwrap_or_else(|| Role::new(call));
    update(call, &mut role, old.is_none())?;
    store(call, old.as_ref(), &role, expect).await?;
    let max = call.context.mount.max_ttl;
    let over = !max.is_zero() && role.params.max_ttl > max;
    Ok(if over {
        Response::empty().warn("token_max_ttl is greater than the backend mount's maximum TTL value; issued tokens' max TTL value will be truncated")
    } else {
        Response::empty()
    })
}

/// Takes over what the call gives.
fn update(call: &Call<'_>, role: &mut Role, is_new: bool) -> Result<(), Error> {
    if let Some(local) = call.given("local_secret_ids").then(|| call.bool("local_secret_ids")) {
        if !is_new && local != role.local_secret_ids {
            return Err(Error::invalid(
                "local_secret_ids can only be modified during role creation",
            ));
        }
        role.local_secret_ids = local;
    }
    if let Some(id) = call.text_if_given("role_id") {
        if id.is_empty() {
            return Err(Error::invalid(
                "invalid role_id supplied, or failed to generate a role_id",
            ));
        }
        id.clone_into(&mut role.role_id);
    }
    if call.given("bind_secret_id") {
        role.bind_secret_id = call.bool("bind_secret_id");
    }
    for name in ["bound_cidr_list", "secret_id_bound_cidrs"] {
        if call.given(name) {
            role.secret_id_bound_cidrs = secret_id_networks(&call.list(name))?;
        }
    }
    if call.given("secret_id_num_uses") {
        role.secret_id_num_uses = call.count("secret_id_num_uses")?;
    }
    if call.given("secret_id_ttl") {
        role.secret_id_ttl = call.seconds("secret_id_ttl");
    }
    role.shows_old_policies =
        !call.given("token_policies") && (role.shows_old_policies || call.given("policies"));
    role.params.update(call, OLD)?;
    role.check()
}

/// Writes a role and its identifier together: an identifier names one role.
pub(super) async fn store(
    call: &Call<'_>,
    old: Option<&Role>,
    role: &Role,
    expect: Expect,
) -> Result<(), Error> {
    role.check()?;
    let name = call.text("role_name");
    let mut batch = Batch::default().record(key(name), expect, role)?;
    let old_id = old.map(|old| old.role_id.as_str());
    if old_id != Some(role.role_id.as_str()) {
        batch = batch.record(id_key(&role.role_id), Expect::Absent, &name)?;
        if let Some(old_id) = old_id {
            batch = batch.with(id_key(old_id), Expect::Anything, Change::Delete);
        }
    }
    match call.context.storage.commit(batch).await {
        Err(StorageError::Conflict { key }) if key.starts_with("id/") => {
            Err(Error::invalid("role_id is already used by another role"))
        }
        other => Ok(other?),
    }
}

pub(super) async fn read(call: &Call<'_>) -> Result<Response, Error> {
    let (role, _) = load(call).await?.ok_or(Error::NotFound)?;
    Ok(Response::json(role.show()))
}

/// Removes a role; its secret identifiers are worthless from then on, and are swept up after.
pub(super) async fn delete(call: &Call<'_>) -> Result<Response, Error> {
    let Some((role, version)) = load(call).await? else { return Ok(Response::empty()) };
    let batch = Batch::default()
        .delete_if(key(call.text("role_name")), Expect::Version(version))
        .delete(id_key(&role.role_id));
    call.context.storage.commit(batch).await?;
    super::secret_id::remove_all(call.context, &role.uuid).await?;
    Ok(Response::empty())
}

pub(super) async fn read_role_id(call: &Call<'_>) -> Result<Response, Error> {
    let (role, _) = load(call).await?.ok_or(Error::NotFound)?;
    Ok(Response::json(json!({ "role_id": role.role_id })))
}

pub(super) async fn write_role_id(call: &Call<'_>) -> Result<Response, Error> {
    let (old, version) = must_load(call).await?;
    let id = call.text("role_id");
    if id.is_empty() {
        return Err(Error::invalid("missing role_id"));
    }
    let role = Role { role_id: id.to_owned(), ..old.clone() };
    store(call, Some(&old), &role, Expect::Version(version)).await?;
    Ok(Response::empty())
}
