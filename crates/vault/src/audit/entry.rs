//! Entries in Vault's form. Field order is Vault's.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use vault_sdk::{Body, Data};

use super::Hasher;
use crate::reply::Reply;

/// Whose token a request carries.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditAuth {
    pub(crate) client_token: String,
    pub(crate) accessor: String,
    pub(crate) display_name: String,
    pub(crate) policies: Vec<String>,
    pub(crate) token_policies: Vec<String>,
    pub(crate) identity_policies: Vec<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) entity_id: String,
    pub(crate) token_type: String,
    /// RFC 3339.
    pub(crate) issue_time: String,
    /// Seconds.
    pub(crate) ttl: u64,
    pub(crate) allowed: bool,
}

/// A request.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditRequest {
    pub(crate) id: String,
    pub(crate) operation: String,
    pub(crate) mount_point: String,
    pub(crate) mount_kind: String,
    pub(crate) mount_accessor: String,
    pub(crate) mount_class: &'static str,
    pub(crate) client_token: String,
    pub(crate) client_token_accessor: String,
    pub(crate) path: String,
    pub(crate) data: Data,
    pub(crate) remote_address: String,
    pub(crate) remote_port: u16,
    /// Seconds; 0: not to be wrapped.
    pub(crate) wrap_ttl: u64,
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    /// Keys of data that are shown.
    pub(crate) shown_keys: Vec<String>,
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuditResponse<'a> {
    pub(crate) reply: &'a Reply,
    /// Keys of data that are shown.
    pub(crate) shown_keys: &'a [String],
}

/// What is logged, before a device hides what it must.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logged<'a> {
    /// RFC 3339.
    pub(crate) time: &'a str,
    pub(crate) auth: Option<&'a AuditAuth>,
    pub(crate) request: &'a AuditRequest,
    /// `None` in the entry of the request itself.
    pub(crate) response: Option<AuditResponse<'a>>,
    pub(crate) is_response: bool,
    /// Empty for none. Never holds a secret.
    pub(crate) error: &'a str,
}

#[derive(Serialize)]
struct Auth {
    #[serde(skip_serializing_if = "String::is_empty")]
    client_token: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    accessor: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    display_name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policies: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    token_policies: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    identity_policies: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_results: Option<Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_zero")]
    num_uses: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    entity_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    token_type: String,
    #[serde(skip_serializing_if = "is_zero")]
    token_ttl: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    token_issue_time: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

#[derive(Serialize)]
struct Request<'a> {
    id: &'a str,
    operation: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mount_point: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mount_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mount_accessor: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mount_class: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    client_token: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    client_token_accessor: String,
    namespace: Value,
    path: &'a str,
    #[serde(skip_serializing_if = "Value::is_null")]
    data: Value,
    #[serde(skip_serializing_if = "str::is_empty")]
    remote_address: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    remote_port: u16,
    #[serde(skip_serializing_if = "is_zero")]
    wrap_ttl: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, Vec<String>>,
}

#[derive(Serialize)]
struct Response<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<Auth>,
    #[serde(skip_serializing_if = "str::is_empty")]
    mount_point: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mount_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mount_accessor: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mount_class: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<Value>,
    #[serde(skip_serializing_if = "Value::is_null")]
    data: Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: &'a Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrap_info: Option<Value>,
}

impl Logged<'_> {
    /// The entry as one line without its end and without the chain, for a device that hides with
    /// `hasher`.
    pub(super) fn render(&self, hasher: &Hasher) -> String {
        let mut members = vec![
            format!("\"time\":{}", text(&self.time)),
            format!("\"type\":\"{}\"", if self.is_response { "response" } else { "request" }),
        ];
        if let Some(auth) = self.auth {
            members.push(format!("\"auth\":{}", text(&auth.hidden(hasher))));
        }
        members.push(format!("\"request\":{}", text(&self.request.hidden(hasher))));
        if let Some(response) = self.response {
            let response = response.hidden(self.request, hasher);
            members.push(format!("\"response\":{}", text(&response)));
        }
        if !self.error.is_empty() {
            members.push(format!("\"error\":{}", text(&self.error)));
        }
        format!("{{{}}}", members.join(","))
    }
}

fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

impl AuditAuth {
    fn hidden(&self, hasher: &Hasher) -> Auth {
        let granting: Vec<Value> = self
            .policies
            .iter()
            .map(|name| json!({ "name": name, "namespace_id": "root", "type": "acl" }))
            .collect();
        let results = json!({ "allowed": self.allowed, "granting_policies": granting });
        Auth {
            client_token: hasher.secret(&self.client_token),
            accessor: hasher.accessor(&self.accessor),
            display_name: self.display_name.clone(),
            policies: self.policies.clone(),
            token_policies: self.token_policies.clone(),
            identity_policies: self.identity_policies.clone(),
            policy_results: Some(results),
            metadata: self.metadata.clone(),
            num_uses: 0,
            entity_id: self.entity_id.clone(),
            token_type: self.token_type.clone(),
            token_ttl: self.ttl,
            token_issue_time: self.issue_time.clone(),
        }
    }
}

impl AuditRequest {
    fn hidden(&self, hasher: &Hasher) -> Request<'_> {
        let data = if self.data.is_empty() {
            Value::Null
        } else {
            hasher.data(&self.data, &self.shown_keys)
        };
        Request {
            id: &self.id,
            operation: &self.operation,
            mount_point: &self.mount_point,
            mount_type: &self.mount_kind,
            mount_accessor: &self.mount_accessor,
            mount_class: self.mount_class,
            client_token: hasher.secret(&self.client_token),
            client_token_accessor: hasher.accessor(&self.client_token_accessor),
            namespace: json!({ "id": "root" }),
            path: &self.path,
            data,
            remote_address: &self.remote_address,
            remote_port: self.remote_port,
            wrap_ttl: self.wrap_ttl,
            headers: self.headers.clone(),
        }
    }
}

impl AuditResponse<'_> {
    fn hidden<'a>(&'a self, request: &'a AuditRequest, hasher: &Hasher) -> Response<'a> {
        let reply = self.reply;
        let data = match &reply.body {
            Body::Empty => Value::Null,
            Body::Data(data) | Body::Status(_, data) => hasher.data(data, self.shown_keys),
            // What is sent as it is, is hidden as the text that it is sent as (CVE-2025-62513).
            Body::Raw { bytes, .. } => {
                json!({ "http_raw_body": hasher.secret(&String::from_utf8_lossy(bytes)) })
            }
        };
        let auth = reply.auth.as_ref().map(|auth| Auth {
            client_token: hasher.secret(&auth.client_token),
            accessor: hasher.accessor(&auth.accessor),
            display_name: String::new(),
            policies: auth.policies.clone(),
            token_policies: auth.token_policies.clone(),
            identity_policies: auth.identity_policies.clone(),
            policy_results: None,
            metadata: auth.metadata.clone(),
            num_uses: auth.num_uses,
            entity_id: auth.entity_id.clone(),
            token_type: auth.token_type.clone(),
            token_ttl: auth.lease_duration.0,
            token_issue_time: String::new(),
        });
        let wrap_info = reply.wrap.as_ref().map(|wrap| {
            json!({
                "ttl": wrap.ttl.0,
                "token": hasher.secret(&wrap.token),
                "accessor": hasher.accessor(&wrap.accessor),
                "creation_time": wrap.creation_time.to_rfc3339(),
                "creation_path": wrap.creation_path,
                "wrapped_accessor": hasher.accessor(&wrap.wrapped_accessor),
            })
        });
        Response {
            auth,
            mount_point: &request.mount_point,
            mount_type: &request.mount_kind,
            mount_accessor: &request.mount_accessor,
            mount_class: request.mount_class,
            secret: reply.lease.as_ref().map(|lease| json!({ "lease_id": lease.lease_id })),
            data,
            warnings: &reply.warnings,
            wrap_info,
        }
    }
}
