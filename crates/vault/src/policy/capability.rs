//! Capabilities and sets of them.

use vault_sdk::Operation;

/// What a rule may grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Vault's")]
pub enum Capability {
    Create,
    Read,
    Update,
    Delete,
    List,
    Sudo,
    Deny,
    Patch,
    Scan,
    Subscribe,
    Recover,
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u16);

const NAMES: [(Capability, &str); 11] = [
    (Capability::Create, "create"),
    (Capability::Delete, "delete"),
    (Capability::Deny, "deny"),
    (Capability::List, "list"),
    (Capability::Patch, "patch"),
    (Capability::Read, "read"),
    (Capability::Recover, "recover"),
    (Capability::Scan, "scan"),
    (Capability::Subscribe, "subscribe"),
    (Capability::Sudo, "sudo"),
    (Capability::Update, "update"),
];

impl Capability {
    /// Parses the name in a policy.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(capability, _)| *capability)
    }

    /// The name in a policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(capability, _)| *capability == self).map_or("", |(_, name)| name)
    }

    /// What an operation needs; `None` if it needs nothing.
    #[must_use]
    pub fn for_operation(operation: Operation) -> Option<Self> {
        Some(match operation {
            Operation::Create => Self::Create,
            Operation::Read => Self::Read,
            Operation::Update => Self::Update,
            Operation::Patch => Self::Patch,
            Operation::Delete => Self::Delete,
            Operation::List => Self::List,
            Operation::Scan => Self::Scan,
            Operation::Help => return None,
        })
    }
}

impl Capabilities {
    /// Only `deny`.
    pub const DENY: Self = Self(1 << Capability::Deny as u16);

    /// Whether the set has a capability.
    #[must_use]
    pub fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u16) != 0
    }

    /// Whether the set grants nothing.
    #[must_use]
    pub fn grants_nothing(self) -> bool {
        self.0 == 0 || self.has(Capability::Deny)
    }

    /// Both sets; `deny` in either leaves `deny` alone.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        let both = Self(self.0 | other.0);
        if both.has(Capability::Deny) { Self::DENY } else { both }
    }

    /// Names in alphabetical order, as `sys/capabilities` answers; `deny` if nothing is granted.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        if self.grants_nothing() {
            return vec!["deny"];
        }
        NAMES.iter().filter(|(capability, _)| self.has(*capability)).map(|(_, n)| *n).collect()
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        let one = |capability: Capability| Self(1 << capability as u16);
        capabilities.into_iter().map(one).fold(Self::default(), Self::merged)
    }
}
