//! What a request leaves in the audit log.

use vault_sdk::time::Instant;
use vault_sdk::{MountClass, Operation};

use super::active::Active;
use super::handle::Way;
use super::renew::instant;
use crate::Error;
use crate::audit::{AuditAuth, AuditRequest, AuditResponse, Logged};
use crate::lease::Held;
use crate::mount::MountEntry;
use crate::reply::Reply;

/// The entries of one request: its own before the engine sees it, its answer's before the client
/// does.
pub(super) struct Trail {
    request: AuditRequest,
    auth: Option<AuditAuth>,
    /// Keys of answers that are shown.
    shown_keys: Vec<String>,
    is_logged: bool,
}

impl Trail {
    pub(super) fn begin(way: &Way<'_>) -> Self {
        let inbound = &way.inbound;
        let request = AuditRequest {
            id: way.id.clone(),
            operation: inbound.operation.name().to_owned(),
            client_token: inbound
                .token
                .as_ref()
                .map_or_else(String::new, |token| token.to_string()),
            path: way.path.clone(),
            data: inbound.data.clone(),
            remote_address: inbound.connection.remote.map_or_else(String::new, |ip| ip.to_string()),
            remote_port: inbound.connection.remote_port,
            wrap_ttl: inbound.wrap_ttl.0,
            ..AuditRequest::default()
        };
        Trail { request, auth: None, shown_keys: Vec::new(), is_logged: false }
    }

    pub(super) fn mounted(&mut self, mount: &MountEntry) {
        let request = &mut self.request;
        request.mount_point.clone_from(&mount.path);
        request.mount_kind.clone_from(&mount.kind);
        request.mount_accessor.clone_from(&mount.accessor);
        request.mount_class = match mount.class {
            MountClass::Auth => "auth",
            MountClass::Secret => "secret",
        };
        request.shown_keys.clone_from(&mount.config.audit_non_hmac_request_keys);
        self.shown_keys.clone_from(&mount.config.audit_non_hmac_response_keys);
    }

    pub(super) fn authenticated(&mut self, active: &Active, token: &Held) {
        let (record, profile) = (&token.record, &token.profile);
        let accessor = active.accessor(token);
        self.request.client_token_accessor.clone_from(&accessor);
        let (policies, identity_policies) = active.policies_of(token);
        self.auth = Some(AuditAuth {
            client_token: self.request.client_token.clone(),
            accessor,
            display_name: profile.display_name.clone(),
            policies,
            token_policies: profile.policies.clone(),
            identity_policies,
            metadata: profile.metadata.clone(),
            entity_id: profile.entity.clone(),
            token_type: if token.is_batch() { "batch" } else { "service" }.to_owned(),
            issue_time: instant(record.issued_ms).to_rfc3339(),
            ttl: profile.ttl.0,
            allowed: false,
        });
    }

    pub(super) fn operation(&mut self, operation: Operation) {
        operation.name().clone_into(&mut self.request.operation);
    }

    /// Logs the request, once.
    pub(super) fn log_request(&mut self, active: &Active, error: &str) -> Result<(), Error> {
        self.is_logged = true;
        if let Some(auth) = &mut self.auth {
            auth.allowed = error.is_empty();
        }
        let time = time(active);
        active.audit.log(&Logged {
            time: &time,
            auth: self.auth.as_ref(),
            request: &self.request,
            response: None,
            is_response: false,
            error,
        })
    }

    /// Logs the answer. If that fails, nobody gets it.
    pub(super) fn end(
        mut self,
        active: &Active,
        outcome: Result<Reply, Error>,
    ) -> Result<Reply, Error> {
        let error = outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
        if !self.is_logged {
            self.log_request(active, &error)?;
        }
        let response = outcome
            .as_ref()
            .ok()
            .map(|reply| AuditResponse { reply, shown_keys: &self.shown_keys });
        let time = time(active);
        active.audit.log(&Logged {
            time: &time,
            auth: self.auth.as_ref(),
            request: &self.request,
            response,
            is_response: true,
            error: &error,
        })?;
        outcome
    }
}

fn time(active: &Active) -> String {
    Instant(active.now().saturating_mul(1_000_000)).to_rfc3339()
}

impl Drop for Trail {
    fn drop(&mut self) {
        use zeroize::Zeroize as _;
        self.request.client_token.zeroize();
        vault_sdk::wipe(&mut self.request.data);
    }
}
