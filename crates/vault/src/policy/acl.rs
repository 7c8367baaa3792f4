//! Policies bound to one caller, and decisions.

use std::collections::BTreeMap;
use std::sync::Arc;

use vault_sdk::time::Seconds;
use vault_sdk::{Data, Operation};

use super::capability::Capability;
use super::explain::Explanation;
use super::index::{Entry, Index};
use super::parameters;
use super::parse::AclPolicy;
use super::template::{Filled, Subject};

/// All policies of one caller, merged and indexed.
#[derive(Clone, Debug, Default)]
pub struct Acl {
    is_root: bool,
    index: Index,
    /// Rules that were left out, each with its reason.
    warnings: Vec<String>,
    /// Policy and path of a rule that denies, but whose template has an unsafe value.
    poison: Option<(String, String)>,
}

/// A request, as far as policies look at it.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Full path without a leading slash, as the router sees it.
    pub path: &'a str,
    /// After existence was checked.
    pub operation: Operation,
    /// The body or the query parameters.
    pub data: &'a Data,
    /// Zero if the answer is not to be wrapped.
    pub wrap_ttl: Seconds,
}

/// Whether a request may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// Whether it may.
    pub allowed: bool,
    /// Whether the rule has `sudo`, which some paths need beside.
    pub sudo: bool,
    /// Why.
    pub reason: Reason<'a>,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason<'a> {
    /// The token has the policy `root`.
    #[error("the token has the root policy")]
    Root,
    /// Help is for everybody.
    #[error("help needs no capability")]
    Help,
    /// The rule grants the operation.
    #[error("the rule grants the operation")]
    Granted,
    /// No rule matches.
    #[error("no rule matches the path")]
    NoRule,
    /// The rule is `deny`.
    #[error("the rule denies the path")]
    Denied,
    /// The rule grants other operations.
    #[error("the rule does not grant {}", .0.name())]
    Lacks(Capability),
    /// Outside the rule's bounds.
    #[error("the rule wants the response wrapped, within its bounds")]
    WrappingTtl,
    /// A parameter that the rule requires.
    #[error("the rule requires parameter {0:?}")]
    ParameterMissing(&'a str),
    /// A parameter, or its value, that the rule denies.
    #[error("the rule denies parameter {0:?}")]
    ParameterDenied(&'a str),
    /// A parameter that the rule does not list.
    #[error("the rule does not allow one of the parameters")]
    ParameterNotAllowed,
    /// A value that the rule does not list.
    #[error("the rule does not allow the value of parameter {0:?}")]
    ParameterValue(&'a str),
    /// A denying rule could not be bound safely.
    #[error("policy {policy:?} denies {path:?}, whose template has an unsafe value")]
    UnsafeTemplate {
        /// The policy.
        policy: &'a str,
        /// The path as written.
        path: &'a str,
    },
}

impl Acl {
    /// Binds policies to a caller. A policy named `root` makes a root ACL, whatever its rules.
    #[must_use]
    pub fn bind(policies: &[Arc<AclPolicy>], subject: Option<&Subject>) -> Self {
        let mut acl = Self::default();
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        for policy in policies {
            acl.is_root |= policy.name == "root";
            for rule in &policy.rules {
                let source = (policy.name.clone(), rule.pattern.clone());
                match rule.path.fill(subject) {
                    Filled::Text(pattern) => {
                        let entry = entries.entry(pattern).or_insert_with_key(|pattern| Entry {
                            permissions: rule.permissions.clone(),
                            pattern: pattern.clone(),
                            sources: Vec::new(),
                        });
                        if !entry.sources.is_empty() {
                            entry.permissions.merge(&rule.permissions);
                        }
                        entry.sources.push(source);
                    }
                    Filled::Missing => {}
                    Filled::Unsafe(variable) => acl.leave_out(source, &variable, rule),
                }
            }
        }
        acl.index = Index::new(entries.into_values().collect());
        acl
    }

    fn leave_out(&mut self, source: (String, String), variable: &str, rule: &super::parse::Rule) {
        let (policy, path) = &source;
        self.warnings.push(format!(
            "policy {policy:?}, path {path:?}: {variable} has a character that paths give a meaning; \
             the rule is left out"
        ));
        if rule.permissions.capabilities.has(Capability::Deny) {
            self.poison.get_or_insert(source);
        }
    }

    /// An ACL that allows everything.
    #[must_use]
    pub fn root() -> Self {
        Self { is_root: true, ..Self::default() }
    }

    /// Whether it allows everything.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.is_root
    }

    /// Rules that were left out, each with its reason; no values of templates.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Decides about a request.
    #[must_use]
    pub fn decide(&self, query: &Query<'_>) -> Decision<'_> {
        if self.is_root {
            return Decision { allowed: true, sudo: true, reason: Reason::Root };
        }
        let Some(wanted) = Capability::for_operation(query.operation) else {
            return Decision { allowed: true, sudo: false, reason: Reason::Help };
        };
        if let Some((policy, path)) = &self.poison {
            let reason = Reason::UnsafeTemplate { policy, path };
            return Decision { allowed: false, sudo: false, reason };
        }
        let Some(entry) = self.index.find(query.path, is_list(query.operation)) else {
            return Decision { allowed: false, sudo: false, reason: Reason::NoRule };
        };
        let sudo = entry.permissions.capabilities.has(Capability::Sudo);
        match check(entry, wanted, query) {
            Ok(()) => Decision { allowed: true, sudo, reason: Reason::Granted },
            Err(reason) => Decision { allowed: false, sudo, reason },
        }
    }

    /// Names of the capabilities on a path, as `sys/capabilities` answers.
    #[must_use]
    pub fn capabilities(&self, path: &str) -> Vec<&'static str> {
        if self.is_root {
            return vec!["root"];
        }
        match self.index.find(path, true) {
            Some(entry) if self.poison.is_none() => entry.permissions.capabilities.names(),
            _ => vec!["deny"],
        }
    }

    /// Whether the caller may see that a mount exists: a rule grants something at or below it.
    #[must_use]
    pub fn sees_mount(&self, mount: &str) -> bool {
        self.is_root || (self.poison.is_none() && self.index.reaches_below(mount))
    }

    /// Says which rule decides about a request, and which other rules match.
    #[must_use]
    pub fn explain(&self, query: &Query<'_>) -> Explanation {
        let matching = self.index.find_all(query.path, is_list(query.operation));
        Explanation::new(query, &self.decide(query), &matching, &self.warnings)
    }

    /// Paths with their capabilities, as `sys/internal/ui/resultant-acl` answers: exact ones and globs.
    #[must_use]
    pub fn resultant(&self) -> Data {
        let (mut exact, mut globs) = (Data::new(), Data::new());
        for entry in self.index.entries() {
            let names =
                serde_json::json!({ "capabilities": entry.permissions.capabilities.names() });
            match entry.pattern.strip_suffix('*') {
                Some(prefix) => globs.insert(prefix.to_owned(), names),
                None => exact.insert(entry.pattern.clone(), names),
            };
        }
        let mut data = Data::new();
        data.insert("root".to_owned(), self.is_root.into());
        data.insert("exact_paths".to_owned(), exact.into());
        data.insert("glob_paths".to_owned(), globs.into());
        data
    }
}

fn is_list(operation: Operation) -> bool {
    matches!(operation, Operation::List | Operation::Scan)
}

fn check<'a>(entry: &'a Entry, wanted: Capability, query: &Query<'_>) -> Result<(), Reason<'a>> {
    let permissions = &entry.permissions;
    if permissions.capabilities.has(Capability::Deny) {
        return Err(Reason::Denied);
    }
    if !permissions.capabilities.has(wanted) {
        return Err(Reason::Lacks(wanted));
    }
    let (min, max) = (permissions.min_wrapping_ttl, permissions.max_wrapping_ttl);
    let too_long = !max.is_zero() && (query.wrap_ttl.is_zero() || query.wrap_ttl > max);
    if too_long || query.wrap_ttl < min || (!max.is_zero() && max < min) {
        return Err(Reason::WrappingTtl);
    }
    if query.operation.writes() || query.operation == Operation::Read {
        parameters::check(permissions, query.data)?;
    }
    Ok(())
}
