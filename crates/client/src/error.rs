//! Why a verb did not do what it was asked, with the exit code of each reason.

/// A verb's failure. The text is for the user.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line or something local is wrong: exit code 1.
    #[error("{0}")]
    Local(String),
    /// The server refused, cannot be reached, or has nothing: exit code 2.
    #[error("{0}")]
    Remote(String),
}

impl Failure {
    /// A local mistake.
    pub fn local(text: impl Into<String>) -> Self {
        Self::Local(text.into())
    }

    /// A refusal.
    pub fn remote(text: impl Into<String>) -> Self {
        Self::Remote(text.into())
    }

    /// As Vault's command line exits.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Local(_) => 1,
            Self::Remote(_) => 2,
        }
    }
}
