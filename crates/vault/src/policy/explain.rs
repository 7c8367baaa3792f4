//! The answer to "why".

use serde::Serialize;

use super::acl::{Decision, Query};
use super::index::Entry;

/// Which rule decided about a request, and which others matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The path that was asked about.
    pub path: String,
    /// The operation that was asked about.
    pub operation: String,
    /// Whether the request would go on.
    pub allowed: bool,
    /// Whether it could use a path that needs `sudo`.
    pub sudo: bool,
    /// Why, in words.
    pub reason: String,
    /// Matching rules, the deciding one first.
    pub rules: Vec<MatchingRule>,
    /// Rules that were left out because of unsafe template values.
    pub warnings: Vec<String>,
}

/// A rule that matches the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatchingRule {
    /// With templates filled.
    pub path: String,
    /// What it grants.
    pub capabilities: Vec<&'static str>,
    /// Where it is written: policy and path.
    pub sources: Vec<RuleSource>,
}

/// Where a rule is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleSource {
    /// The policy.
    pub policy: String,
    /// The path as written there.
    pub path: String,
}

impl Explanation {
    pub(super) fn new(
        query: &Query<'_>,
        decision: &Decision<'_>,
        matching: &[&Entry],
        warnings: &[String],
    ) -> Self {
        Self {
            path: query.path.to_owned(),
            operation: query.operation.name().to_owned(),
            allowed: decision.allowed,
            sudo: decision.sudo,
            reason: decision.reason.to_string(),
            rules: matching.iter().map(|entry| MatchingRule::new(entry)).collect(),
            warnings: warnings.to_vec(),
        }
    }
}

impl MatchingRule {
    fn new(entry: &Entry) -> Self {
        let source = |(policy, path): &(String, String)| RuleSource {
            policy: policy.clone(),
            path: path.clone(),
        };
        Self {
            path: entry.pattern.clone(),
            capabilities: entry.permissions.capabilities.names(),
            sources: entry.sources.iter().map(source).collect(),
        }
    }
}
