//! What a rule says about a path, and how rules for one path are merged.

use std::collections::BTreeMap;

use serde_json::Value;
use vault_sdk::time::Seconds;

use super::capability::{Capabilities, Capability};

/// Values by parameter, in lower case. An empty list stands for every value.
pub(super) type Parameters = BTreeMap<String, Vec<Value>>;

/// What is granted, and under which conditions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Permissions {
    pub(super) capabilities: Capabilities,
    pub(super) allowed: Parameters,
    pub(super) denied: Parameters,
    /// In lower case.
    pub(super) required: Vec<String>,
    /// Zero for none.
    pub(super) min_wrapping_ttl: Seconds,
    /// Zero for none.
    pub(super) max_wrapping_ttl: Seconds,
}

impl Permissions {
    pub(super) fn deny() -> Self {
        Self { capabilities: Capabilities::DENY, ..Self::default() }
    }

    /// Adds another rule for the same path, as Vault does: capabilities add up, `deny` wins, and a
    /// condition of either rule stays a condition.
    pub(super) fn merge(&mut self, other: &Self) {
        if self.capabilities.has(Capability::Deny) {
            return;
        }
        if other.capabilities.has(Capability::Deny) {
            *self = Self::deny();
            return;
        }
        self.capabilities = self.capabilities.merged(other.capabilities);
        self.min_wrapping_ttl = lesser(self.min_wrapping_ttl, other.min_wrapping_ttl);
        self.max_wrapping_ttl = lesser(self.max_wrapping_ttl, other.max_wrapping_ttl);
        merge_parameters(&mut self.allowed, &other.allowed);
        merge_parameters(&mut self.denied, &other.denied);
        for name in &other.required {
            if !self.required.contains(name) {
                self.required.push(name.clone());
            }
        }
    }
}

/// The smaller of two that are set.
fn lesser(a: Seconds, b: Seconds) -> Seconds {
    match (a.is_zero(), b.is_zero()) {
        (true, _) => b,
        (_, true) => a,
        _ => a.min(b),
    }
}

/// Values add up, and a list that stands for every value wins.
fn merge_parameters(mine: &mut Parameters, others: &Parameters) {
    for (name, values) in others {
        match mine.get_mut(name) {
            Some(there) if there.is_empty() || values.is_empty() => there.clear(),
            Some(there) => there.extend(values.iter().cloned()),
            None => {
                mine.insert(name.clone(), values.clone());
            }
        }
    }
}
