//! Secret identifiers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use vault_sdk::cidr::Cidr;
use vault_sdk::table::Call;
use vault_sdk::time::{Instant, Seconds};
use vault_sdk::{Batch, Body, Context, Error, Expect, Response, StorageError};

use super::role::{self, Role, hex, secret_id_networks};
use crate::page;
use crate::token_params::networks;

/// What is kept of a secret identifier.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SecretId {
    pub(super) accessor: String,
    /// Logins left; zero for no bound, since the last one removes the record.
    pub(super) uses_left: u64,
    pub(super) ttl: Seconds,
    pub(super) created: Instant,
    pub(super) updated: Instant,
    /// Zero for never.
    pub(super) expires: Instant,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) cidrs: Vec<Cidr>,
    pub(super) token_cidrs: Vec<Cidr>,
}

/// Where a secret identifier of a role is kept.
pub(super) fn key(role: &Role, secret_id: &str) -> String {
    let hash = crypto::hmac_sha256(role.hash_key.as_bytes(), secret_id.as_bytes());
    format!("sid/{}/{}", role.uuid, hex(&hash))
}

fn accessor_key(role: &Role, accessor: &str) -> String {
    format!("acc/{}/{accessor}", role.uuid)
}

impl SecretId {
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        !self.expires.is_zero() && self.expires <= now
    }

    fn show(&self) -> serde_json::Value {
        let texts = |cidrs: &[Cidr]| cidrs.iter().map(ToString::to_string).collect::<Vec<_>>();
        json!({
            "cidr_list": texts(&self.cidrs),
            "creation_time": self.created.to_rfc3339(),
            "expiration_time": self.expires.to_rfc3339(),
            "last_updated_time": self.updated.to_rfc3339(),
            "metadata": self.metadata,
            "secret_id_accessor": self.accessor,
            "secret_id_num_uses": self.uses_left,
            "secret_id_ttl": self.ttl.0,
            "token_bound_cidrs": texts(&self.token_cidrs),
        })
    }
}

pub(super) async fn make(call: &Call<'_>) -> Result<Response, Error> {
    add(call, &call.context.uuid()).await
}

pub(super) async fn make_custom(call: &Call<'_>) -> Result<Response, Error> {
    match call.text("secret_id") {
        "" => Err(Error::invalid("missing secret_id")),
        id if id.len() > 4096 => Err(Error::invalid("secret_id is longer than 4096 bytes")),
        id => add(call, id).await,
    }
}

async fn add(call: &Call<'_>, id: &str) -> Result<Response, Error> {
    let (role, version) = role::must_load(call).await?;
    if !role.bind_secret_id {
        return Err(Error::invalid("bind_secret_id is not set on the role"));
    }
    let record = described(call, &role)?;
    let key = key(&role, id);
    let hash = key.rsplit('/').next().unwrap_or_default().to_owned();
    let batch = Batch::default()
        .record(&*key, Expect::Absent, &record)?
        .record(accessor_key(&role, &record.accessor), Expect::Absent, &hash)?
        // The role is still the one that was read.
        .with(
            role::key(call.text("role_name")),
            Expect::Version(version),
            vault_sdk::Change::Check,
        );
    match call.context.storage.commit(batch).await {
        Err(StorageError::Conflict { key }) if key.starts_with("sid/") => {
            return Err(Error::invalid("SecretID is already registered"));
        }
        other => other?,
    }
    Ok(Response::json(json!({
        "secret_id": id,
        "secret_id_accessor": record.accessor,
        "secret_id_num_uses": record.uses_left,
        "secret_id_ttl": record.ttl.0,
    })))
}

/// A record as the call describes it, within the role's bounds.
fn described(call: &Call<'_>, role: &Role) -> Result<SecretId, Error> {
    let now = call.context.now();
    let ttl = match call.given("ttl").then(|| call.seconds("ttl")) {
        Some(ttl)
            if !role.secret_id_ttl.is_zero() && (ttl.is_zero() || ttl > role.secret_id_ttl) =>
        {
            return Err(Error::invalid("ttl cannot be longer than the role's secret_id_ttl"));
        }
        Some(ttl) => ttl,
        None => role.secret_id_ttl,
    };
    let bound = role.secret_id_num_uses;
    let uses_left = match call.given("num_uses").then(|| call.count("num_uses")).transpose()? {
        Some(uses) if bound != 0 && (uses == 0 || uses > bound) => {
            return Err(Error::invalid(
                "num_uses cannot be higher than the role's secret_id_num_uses",
            ));
        }
        Some(uses) => uses,
        None => bound,
    };
    let max_ttl = call.context.mount.max_ttl;
    let ttl = if ttl.is_zero() { ttl } else { ttl.bounded_by(max_ttl) };
    let cidrs = secret_id_networks(&call.list("cidr_list"))?;
    let token_cidrs = networks(&call.list("token_bound_cidrs"))?;
    within(&cidrs, &role.secret_id_bound_cidrs, "secret_id_bound_cidrs")?;
    within(&token_cidrs, &role.params.bound_cidrs, "token_bound_cidrs")?;
    Ok(SecretId {
        accessor: call.context.uuid(),
        uses_left,
        ttl,
        created: now,
        updated: now,
        expires: if ttl.is_zero() { Instant::ZERO } else { now.plus(ttl) },
        metadata: metadata(call.text("metadata"))?,
        cidrs,
        token_cidrs,
    })
}

/// A secret identifier cannot be used from where its role cannot.
fn within(cidrs: &[Cidr], role: &[Cidr], name: &str) -> Result<(), Error> {
    let covered = |cidr: &Cidr| role.iter().any(|bound| bound.includes(cidr));
    match cidrs.iter().find(|cidr| !role.is_empty() && !covered(cidr)) {
        None => Ok(()),
        Some(cidr) => Err(Error::Invalid(format!("{cidr} is not within the {name} of the role"))),
    }
}

fn metadata(text: &str) -> Result<BTreeMap<String, String>, Error> {
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    serde_json::from_str(text)
        .map_err(|_| Error::invalid("expected metadata as a JSON object of strings in one string"))
}

pub(super) async fn list(call: &Call<'_>) -> Result<Response, Error> {
    let (role, _) = role::must_load(call).await?;
    page::list(call, &accessor_key(&role, "")).await
}

/// The record behind a secret identifier, with its key and version.
type Found = (SecretId, String, u64);

async fn find(call: &Call<'_>) -> Result<(Role, Option<Found>), Error> {
    let (role, _) = role::must_load(call).await?;
    let id = call.text("secret_id");
    if id.is_empty() {
        return Err(Error::invalid("missing secret_id"));
    }
    let key = key(&role, id);
    let found = call.context.storage.read(&key).await?;
    Ok((role, found.map(|(record, version)| (record, key, version))))
}

async fn find_accessor(call: &Call<'_>) -> Result<(Role, Option<Found>), Error> {
    let (role, _) = role::must_load(call).await?;
    let accessor = call.text("secret_id_accessor");
    if accessor.is_empty() {
        return Err(Error::invalid("missing secret_id_accessor"));
    }
    // An accessor is a UUID; anything else could name another place of the storage.
    if !accessor.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return Ok((role, None));
    }
    let storage = call.context.storage;
    let Some((hash, _)) = storage.read::<String>(&accessor_key(&role, accessor)).await? else {
        return Ok((role, None));
    };
    let key = format!("sid/{}/{hash}", role.uuid);
    let found = storage.read(&key).await?;
    Ok((role, found.map(|(record, version)| (record, key, version))))
}

pub(super) async fn lookup(call: &Call<'_>) -> Result<Response, Error> {
    let (_, found) = find(call).await?;
    let found = found.filter(|(record, ..)| !record.is_expired(call.context.now()));
    Ok(found.map_or_else(Response::empty, |(record, ..)| Response::json(record.show())))
}

fn no_such_accessor(call: &Call<'_>) -> String {
    let accessor = call.text("secret_id_accessor");
    format!("failed to find accessor entry for secret_id_accessor: {accessor:?}")
}

pub(super) async fn lookup_accessor(call: &Call<'_>) -> Result<Response, Error> {
    let (_, found) = find_accessor(call).await?;
    let found = found.filter(|(record, ..)| !record.is_expired(call.context.now()));
    match found {
        Some((record, ..)) => Ok(Response::json(record.show())),
        // The API puts this one refusal into the data.
        None => {
            let mut data = vault_sdk::Data::new();
            data.insert("error".to_owned(), no_such_accessor(call).into());
            Ok(Response { body: Body::Status(404, data), ..Response::default() })
        }
    }
}

pub(super) async fn destroy(call: &Call<'_>) -> Result<Response, Error> {
    let (role, found) = find(call).await?;
    remove(call.context, &role, found).await
}

pub(super) async fn destroy_accessor(call: &Call<'_>) -> Result<Response, Error> {
    match find_accessor(call).await? {
        (_, None) => Err(Error::Status { status: 404, text: no_such_accessor(call) }),
        (role, found) => remove(call.context, &role, found).await,
    }
}

async fn remove(
    context: Context<'_>,
    role: &Role,
    found: Option<Found>,
) -> Result<Response, Error> {
    if let Some((record, key, _)) = found {
        let batch = Batch::default().delete(key).delete(accessor_key(role, &record.accessor));
        context.storage.commit(batch).await?;
    }
    Ok(Response::empty())
}

/// Takes one use of a secret identifier; the last use removes it. `None` if it is not there, has expired or
/// was used up by others at the same time.
pub(super) async fn take_use(
    context: Context<'_>,
    role: &Role,
    secret_id: &str,
    may: impl Fn(&SecretId) -> bool,
) -> Result<Option<SecretId>, Error> {
    let key = key(role, secret_id);
    loop {
        let found = context.storage.read::<SecretId>(&key).await?;
        let Some((mut record, version)) = found else { return Ok(None) };
        if record.is_expired(context.now()) || !may(&record) {
            return Ok(None);
        }
        let expect = Expect::Version(version);
        let batch = match record.uses_left {
            0 => return Ok(Some(record)),
            1 => Batch::default()
                .delete_if(&*key, expect)
                .delete(accessor_key(role, &record.accessor)),
            _ => {
                record.uses_left -= 1;
                record.updated = context.now();
                Batch::default().record(&*key, expect, &record)?
            }
        };
        match context.storage.commit(batch).await {
            Ok(()) => return Ok(Some(record)),
            Err(StorageError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Removes all secret identifiers of a role.
pub(super) async fn remove_all(context: Context<'_>, uuid: &str) -> Result<(), Error> {
    for prefix in [format!("sid/{uuid}/"), format!("acc/{uuid}/")] {
        let keys = context.storage.scan(&prefix, "", usize::MAX).await?;
        for chunk in keys.chunks(100) {
            let delete = |batch: Batch, key: &String| batch.delete(format!("{prefix}{key}"));
            context.storage.commit(chunk.iter().fold(Batch::default(), delete)).await?;
        }
    }
    Ok(())
}

pub(super) async fn tidy(call: &Call<'_>) -> Result<Response, Error> {
    let removed = sweep(call.context).await?;
    let response =
        Response { body: Body::Status(202, vault_sdk::Data::new()), ..Response::default() };
    Ok(response
        .warn(format!("Tidy operation finished; {removed} secret identifiers were removed.")))
}

/// Removes secret identifiers that have expired or whose role is gone, and accessors that lead nowhere.
pub(super) async fn sweep(context: Context<'_>) -> Result<usize, Error> {
    let storage = context.storage;
    let mut live = std::collections::BTreeSet::new();
    for name in storage.list_all("role/").await? {
        if let Some((role, _)) = storage.read::<Role>(&role::key(&name)).await? {
            live.insert(role.uuid);
        }
    }
    let mut removed = 0;
    for rest in storage.scan("sid/", "", usize::MAX).await? {
        let key = format!("sid/{rest}");
        let uuid = rest.split('/').next().unwrap_or_default();
        let Some((record, version)) = storage.read::<SecretId>(&key).await? else { continue };
        if live.contains(uuid) && !record.is_expired(context.now()) {
            continue;
        }
        let batch = Batch::default()
            .delete_if(key, Expect::Version(version))
            .delete(format!("acc/{uuid}/{}", record.accessor));
        match storage.commit(batch).await {
            Ok(()) => removed += 1,
            Err(StorageError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for rest in storage.scan("acc/", "", usize::MAX).await? {
        let key = format!("acc/{rest}");
        let uuid = rest.split('/').next().unwrap_or_default();
        let Some((hash, _)) = storage.read::<String>(&key).await? else { continue };
        if storage.get(&format!("sid/{uuid}/{hash}")).await?.is_none() {
            storage.delete(&key).await?;
        }
    }
    Ok(removed)
}
