//! The engine at `auth/token/`.

mod create;
mod roles;

use std::sync::OnceLock;

use serde_json::{Value, json};
use vault_sdk::table::{Call, Field, Path, PathTable};
use vault_sdk::time::Seconds;
use vault_sdk::{Data, Engine, Operation, Response};
use zeroize::Zeroizing;

use crate::Error;
use crate::core::native::{Native, Outcome, done};
use crate::core::renew::instant;
use crate::lease::{Held, Kind, PREFIX};

/// One request to `auth/token/`.
pub(crate) struct TokenEngine(pub(crate) Native);

impl Engine for TokenEngine {
    fn table() -> &'static PathTable<Self> {
        static TABLE: OnceLock<PathTable<TokenEngine>> = OnceLock::new();
        TABLE.get_or_init(|| {
            let mut paths = create::paths();
            paths.extend(roles::paths());
            paths.extend(own_paths());
            PathTable::new(
                "The token auth method: tokens are created, looked up, renewed and revoked.",
                paths,
            )
        })
    }
}

fn own_paths() -> Vec<Path<TokenEngine>> {
    let token = || Field::string("token", "The token.").sensitive();
    let accessor = || Field::string("accessor", "The token's accessor.");
    let increment = || Field::seconds("increment", "Wanted life time from now.");
    vec![
        Path::new("lookup")
            .help("Looks a token up.", "")
            .field(token())
            .on(Operation::Update, |engine: &TokenEngine, call| done(engine.lookup(call)))
            .on(Operation::Read, |engine: &TokenEngine, call| done(engine.lookup(call))),
        Path::new("lookup-self")
            .help("Looks the caller's token up.", "")
            .on(Operation::Read, |engine: &TokenEngine, _| done(engine.lookup_self()))
            .on(Operation::Update, |engine: &TokenEngine, _| done(engine.lookup_self())),
        Path::new("lookup-accessor")
            .help("Looks a token up by its accessor.", "")
            .field(accessor())
            .on(Operation::Update, |engine: &TokenEngine, call| done(engine.lookup_accessor(call))),
        Path::new("renew")
            .help("Renews a token.", "")
            .fields([token(), increment()])
            .on(Operation::Update, |engine: &TokenEngine, call| done(engine.renew(call))),
        Path::new("renew-self")
            .help("Renews the caller's token.", "")
            .fields([token(), increment()])
            .on(Operation::Update, |engine: &TokenEngine, call| done(engine.renew_self(call))),
        Path::new("renew-accessor")
            .help("Renews a token by its accessor.", "")
            .fields([accessor(), increment()])
            .on(Operation::Update, |engine: &TokenEngine, call| done(engine.renew_accessor(call))),
        Path::new("revoke")
            .help("Revokes a token and all that was made with it.", "")
            .field(token())
            .on(Operation::Update, |engine: &TokenEngine, call| done(engine.revoke(call))),
        Path::new("revoke-self")
            .help("Revokes the caller's token.", "")
            .on(Operation::Update, |engine: &TokenEngine, _| done(engine.revoke_self())),
        Path::new("revoke-accessor")
            .help("Revokes a token by its accessor.", "")
            .field(accessor())
            .on(Operation::Update, |engine: &TokenEngine, call| done(engine.revoke_accessor(call))),
        Path::new("revoke-orphan")
            .help("Revokes a token; its children become orphans.", "")
            .sudo()
            .field(token())
            .on(Operation::Update, |engine: &TokenEngine, call| done(engine.revoke_orphan(call))),
        Path::new("accessors")
            .help("Accessors of all tokens.", "")
            .sudo()
            .on(Operation::List, |engine: &TokenEngine, _| done(engine.accessors())),
        Path::new("tidy")
            .help("Removes what is left over. It happens by itself; this only answers.", "")
            .on(Operation::Update, |_, _| {
                done(Ok(Response::empty().warn("Tidy operation successfully started. Any information from the operation will be printed to Vault's server logs.")))
            }),
    ]
}

impl TokenEngine {
    fn by_token(&self, call: &Call<'_>) -> Result<Held, Error> {
        let text = call.text("token");
        if text.is_empty() {
            return Err(Error::invalid("missing token ID"));
        }
        self.0.active.find_token(text)?.ok_or(Error::Denied)
    }

    fn by_accessor(&self, call: &Call<'_>) -> Result<Held, Error> {
        let accessor = call.text("accessor");
        if accessor.is_empty() {
            return Err(Error::invalid("missing accessor_id"));
        }
        let held = self.0.active.find_accessor(accessor)?;
        held.ok_or_else(|| Error::invalid("invalid accessor"))
    }

    fn lookup(&self, call: &Call<'_>) -> Result<Response, Error> {
        let text = call.text("token");
        if text.is_empty() {
            return self.lookup_self();
        }
        let held = self.by_token(call).map_err(|_| bad_token())?;
        Ok(self.shown(&held, text))
    }

    fn lookup_self(&self) -> Result<Response, Error> {
        let held = self.0.caller()?;
        let presented = self.0.presented.clone().unwrap_or_default();
        Ok(self.shown(held, &presented))
    }

    fn lookup_accessor(&self, call: &Call<'_>) -> Result<Response, Error> {
        let held = self.by_accessor(call)?;
        Ok(self.shown(&held, ""))
    }

    /// A token as `lookup` answers.
    fn shown(&self, held: &Held, text: &str) -> Response {
        let (record, profile) = (&held.record, &held.profile);
        let now = self.0.active.now();
        let remaining = match record.uses {
            0 => 0,
            crate::lease::record::SPENT => -1,
            uses => i64::from(uses),
        };
        let expires = if record.expires_ms == 0 {
            Value::Null
        } else {
            instant(record.expires_ms).to_rfc3339().into()
        };
        let meta = if profile.metadata.is_empty() { Value::Null } else { json!(profile.metadata) };
        let mut response = Response::json(json!({
            "accessor": self.0.active.accessor(held),
            "creation_time": record.issued_ms / 1000,
            "creation_ttl": profile.ttl.0,
            "display_name": profile.display_name,
            "entity_id": profile.entity,
            "expire_time": expires,
            "explicit_max_ttl": profile.explicit_max_ttl.0,
            "id": text,
            "meta": meta,
            "num_uses": remaining,
            "orphan": record.parent.is_none(),
            "path": profile.path,
            "policies": profile.policies,
            "ttl": record.expires_ms.saturating_sub(now) / 1000,
            "type": if held.is_batch() { "batch" } else { "service" },
        }));
        if let vault_sdk::Body::Data(data) = &mut response.body {
            if record.expires_ms != 0 {
                data.insert("issue_time".into(), instant(record.issued_ms).to_rfc3339().into());
                data.insert("renewable".into(), profile.renewable.into());
            }
            if record.renewed_ms != 0 {
                data.insert("last_renewal".into(), instant(record.renewed_ms).to_rfc3339().into());
                data.insert("last_renewal_time".into(), (record.renewed_ms / 1000).into());
            }
            if !profile.entity.is_empty() {
                let (_, of_identity) = self.0.active.policies_of(held);
                data.insert("identity_policies".into(), json!(of_identity));
                data.insert("external_namespace_policies".into(), json!({}));
            }
            if !profile.period.is_zero() {
                data.insert("period".into(), profile.period.0.into());
            }
            if !profile.role.is_empty() && profile.path.starts_with("auth/token/") {
                data.insert("role".into(), profile.role.clone().into());
            }
            if !profile.bound_cidrs.is_empty() {
                data.insert("bound_cidrs".into(), json!(profile.bound_cidrs));
            }
        }
        response
    }

    fn renewed(&self, held: &Held, call: &Call<'_>, text: &str) -> Result<Response, Error> {
        let increment = call.seconds("increment");
        let connection = &call.request.connection;
        let text = Zeroizing::new(text.to_owned());
        let (auth, warnings) = self.0.active.renew_token(held, increment, connection, text)?;
        self.0.give(Outcome::Auth(auth));
        Ok(Response { warnings, ..Response::empty() })
    }

    fn renew(&self, call: &Call<'_>) -> Result<Response, Error> {
        let held = self.by_token(call)?;
        self.renewed(&held, call, call.text("token"))
    }

    fn renew_self(&self, call: &Call<'_>) -> Result<Response, Error> {
        let presented = self.0.presented.clone().unwrap_or_default();
        // Its use was counted meanwhile.
        let held = self.0.active.find_token(&presented)?.ok_or(Error::Denied)?;
        self.renewed(&held, call, &presented)
    }

    fn renew_accessor(&self, call: &Call<'_>) -> Result<Response, Error> {
        let held = self.by_accessor(call)?;
        self.renewed(&held, call, "")
    }

    fn revoke(&self, call: &Call<'_>) -> Result<Response, Error> {
        // Nothing is said about tokens that are not there.
        if let Some(held) = self.0.active.find_token(call.text("token"))? {
            refuse_batch(&held)?;
            self.0.active.revoke(held.key)?;
        }
        Ok(Response::empty())
    }

    fn revoke_self(&self) -> Result<Response, Error> {
        refuse_batch(self.0.caller()?)?;
        self.0.active.revoke(self.0.caller()?.key)?;
        Ok(Response::empty())
    }

    fn revoke_accessor(&self, call: &Call<'_>) -> Result<Response, Error> {
        let held = self.by_accessor(call)?;
        self.0.active.revoke(held.key)?;
        Ok(Response::empty())
    }

    fn revoke_orphan(&self, call: &Call<'_>) -> Result<Response, Error> {
        let held = self.by_token(call).map_err(|_| Error::invalid("token to revoke not found"))?;
        self.0.active.orphan_children(held.key)?;
        self.0.active.revoke(held.key)?;
        Ok(Response::empty())
    }

    fn accessors(&self) -> Result<Response, Error> {
        let active = &self.0.active;
        let now = active.now();
        let (mut accessors, mut from) = (Vec::new(), String::new());
        loop {
            let keys = active.leases.all(&from, 1000)?;
            let Some(last) = keys.last() else { break };
            from = format!("{PREFIX}{}\0", last.to_hex());
            for key in keys {
                if active
                    .leases
                    .find(key, now, &**active)?
                    .is_some_and(|held| held.record.kind == Kind::Token)
                {
                    accessors.push(active.leases.keys.accessor(key));
                }
            }
        }
        accessors.sort_unstable();
        Ok(Response::list(accessors))
    }
}

fn refuse_batch(held: &Held) -> Result<(), Error> {
    if held.is_batch() { Err(Error::invalid("batch tokens cannot be revoked")) } else { Ok(()) }
}

fn bad_token() -> Error {
    vault_sdk::Error::Status { status: 403, text: "bad token".into() }.into()
}

/// The value of a field that is a duration; zero if absent.
fn seconds_of(data: &Data, name: &str) -> Seconds {
    data.get(name).and_then(|value| Seconds::from_json(value).ok()).unwrap_or_default()
}
