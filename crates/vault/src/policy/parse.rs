//! From a policy's text to rules.

use hcl::{Block, Value};
use vault_sdk::time::Seconds;

use super::capability::{Capabilities, Capability};
use super::rule::{Parameters, Permissions};
use super::template::Template;

/// A parsed policy.
#[derive(Clone, Debug, PartialEq)]
pub struct AclPolicy {
    /// In lower case, as the policy store keeps it.
    pub name: String,
    /// In the order of the text.
    pub(super) rules: Vec<Rule>,
}

/// One `path` block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    /// As written, without a leading slash.
    pub(super) pattern: String,
    pub(super) path: Template,
    pub(super) permissions: Permissions,
}

/// Why a text is not a policy. Policies hold no secrets, so texts may quote them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not HCL and not JSON.
    #[error(transparent)]
    Syntax(#[from] hcl::Error),
    /// A key that policies do not have.
    #[error("invalid key {key:?} on line {line}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Counted from 1.
        line: usize,
    },
    /// `path` without a path, or without a block.
    #[error("line {line}: expected path \"...\" {{ ... }}")]
    NotABlock {
        /// Counted from 1.
        line: usize,
    },
    /// Something about one path.
    #[error("path {path:?}: {what}")]
    Path {
        /// As written.
        path: String,
        /// What is wrong.
        what: String,
    },
}

const PATH_KEYS: [&str; 8] = [
    "comment",
    "policy",
    "capabilities",
    "allowed_parameters",
    "denied_parameters",
    "required_parameters",
    "min_wrapping_ttl",
    "max_wrapping_ttl",
];

impl AclPolicy {
    /// Parses HCL 1 or JSON.
    ///
    /// # Errors
    /// With the first thing that is wrong. A condition that this server does not enforce is wrong, too.
    pub fn parse(name: &str, text: &str) -> Result<Self, PolicyError> {
        let body = hcl::parse(text)?;
        for item in &body.items {
            match item.keys.first().map(String::as_str) {
                Some("path" | "name") => {}
                key => {
                    let key = key.unwrap_or_default().to_owned();
                    return Err(PolicyError::UnknownKey { key, line: item.line });
                }
            }
        }
        let blocks = body.blocks("path").map_err(|line| PolicyError::NotABlock { line })?;
        let rules = blocks.iter().map(rule).collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_lowercase(), rules })
    }

    /// The paths of its rules, as written.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.pattern.as_str())
    }

    /// Whether a rule's path depends on the caller.
    #[must_use]
    pub fn is_templated(&self) -> bool {
        self.rules.iter().any(|rule| rule.path.literal().is_none())
    }
}

fn rule(block: &Block<'_>) -> Result<Rule, PolicyError> {
    let [path] = block.labels.as_slice() else {
        return Err(PolicyError::NotABlock { line: block.line });
    };
    let wrong = |what: String| PolicyError::Path { path: (*path).to_owned(), what };
    for item in &block.body.items {
        let key = item.keys.first().map(String::as_str).unwrap_or_default();
        if !PATH_KEYS.contains(&key) {
            return Err(wrong(format!("invalid key {key:?} on line {}", item.line)));
        }
    }
    let pattern = path.strip_prefix('/').unwrap_or(path);
    if pattern.contains("+*") {
        return Err(wrong("invalid use of wildcards ('+*' is forbidden)".to_owned()));
    }
    let template = Template::parse(pattern).map_err(wrong)?;
    let permissions = permissions(block.body).map_err(wrong)?;
    Ok(Rule { pattern: pattern.to_owned(), path: template, permissions })
}

fn permissions(body: &hcl::Body) -> Result<Permissions, String> {
    let mut capabilities = old_form(body)?;
    if let Some(value) = body.attribute("capabilities") {
        let names = value.as_texts().ok_or("capabilities must be a list of strings")?;
        for name in names {
            let capability = Capability::parse(name);
            capabilities.push(capability.ok_or_else(|| format!("invalid capability {name:?}"))?);
        }
    }
    let capabilities: Capabilities = capabilities.into_iter().collect();
    if capabilities.has(Capability::Deny) {
        return Ok(Permissions::deny());
    }
    let permissions = Permissions {
        capabilities,
        allowed: parameters(body, "allowed_parameters")?,
        denied: parameters(body, "denied_parameters")?,
        required: required(body)?,
        min_wrapping_ttl: duration(body, "min_wrapping_ttl")?,
        max_wrapping_ttl: duration(body, "max_wrapping_ttl")?,
    };
    let (min, max) = (permissions.min_wrapping_ttl, permissions.max_wrapping_ttl);
    if !max.is_zero() && max < min {
        return Err("max_wrapping_ttl cannot be less than min_wrapping_ttl".to_owned());
    }
    Ok(permissions)
}

/// `policy = "read"` and its kin.
fn old_form(body: &hcl::Body) -> Result<Vec<Capability>, String> {
    use Capability::{Create, Delete, Deny, List, Read, Sudo, Update};
    let Some(value) = body.attribute("policy") else { return Ok(vec![]) };
    Ok(match value.as_text() {
        Some("") => vec![],
        Some("deny") => vec![Deny],
        Some("read") => vec![Read, List],
        Some("write") => vec![Create, Read, Update, Delete, List],
        Some("sudo") => vec![Create, Read, Update, Delete, List, Sudo],
        Some(other) => return Err(format!("invalid policy {other:?}")),
        None => return Err("policy must be a string".to_owned()),
    })
}

fn parameters(body: &hcl::Body, key: &str) -> Result<Parameters, String> {
    let Some(value) = body.attribute(key) else { return Ok(Parameters::new()) };
    let object = value.as_object().ok_or_else(|| format!("{key} must be an object"))?;
    let mut parameters = Parameters::new();
    for item in &object.items {
        let ([name], Value::List(values)) = (item.keys.as_slice(), &item.value) else {
            return Err(format!("{key}: every parameter must be a list of values"));
        };
        let values = values.iter().map(Value::to_json).collect();
        parameters.insert(name.to_lowercase(), values);
    }
    Ok(parameters)
}

fn required(body: &hcl::Body) -> Result<Vec<String>, String> {
    let Some(value) = body.attribute("required_parameters") else { return Ok(vec![]) };
    let names = value.as_texts().ok_or("required_parameters must be a list of strings")?;
    Ok(names.into_iter().map(str::to_lowercase).collect())
}

fn duration(body: &hcl::Body, key: &str) -> Result<Seconds, String> {
    let Some(value) = body.attribute(key) else { return Ok(Seconds::ZERO) };
    Seconds::from_json(&value.to_json()).map_err(|error| format!("{key}: {error}"))
}
