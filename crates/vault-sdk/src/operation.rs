//! What a request wants done.

use std::fmt;

/// An operation on a path, after the verb: `POST` and `PUT` are [`Create`](Self::Create) where the
/// engine says that nothing is there, and [`Update`](Self::Update) otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are Vault's")]
pub enum Operation {
    Create,
    #[default]
    Read,
    Update,
    Patch,
    Delete,
    /// One level of names below a prefix.
    List,
    /// All names below a prefix, recursively.
    Scan,
    /// Describes the path; touches nothing.
    Help,
}

impl Operation {
    /// Every operation that an engine can declare, in the order of help and OpenAPI.
    pub const DECLARED: [Self; 7] =
        [Self::Create, Self::Read, Self::Update, Self::Patch, Self::Delete, Self::List, Self::Scan];

    /// The name in audit entries and policies.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Scan => "scan",
            Self::Help => "help",
        }
    }

    /// Whether the request has a body whose keys are the fields.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Patch)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
