//! Why a request was not served, sorted by who must act. The server maps each variant to one status.

use crate::{barrier, seal};

/// The core's refusal. Texts reach the client as they are, and never hold a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 503: nobody has unsealed the server yet.
    #[error("Vault is sealed")]
    Sealed,
    /// 400 for most paths, as Vault; health has a status of its own.
    #[error("server is not yet initialized")]
    NotInitialized,
    /// 400: the request is wrong.
    #[error("{0}")]
    Invalid(String),
    /// 403, without a reason: no token, a token that is not valid, or no policy that allows it.
    #[error("permission denied")]
    Denied,
    /// 429: a rate-limit quota is exhausted.
    #[error("request path {path:?}: rate limit quota exceeded")]
    RateLimited {
        /// The request's path.
        path: String,
        /// Seconds until the client may try again.
        retry_after_s: u64,
    },
    /// 503: the host's clock does not fit together; nothing is released until it does.
    #[error("the clock is not trusted now ({0}): nothing is issued")]
    Clock(&'static str),
    /// 500: no audit device took the entry, so the request is refused.
    #[error("no audit device could log the request")]
    Audit,
    /// What the engine said.
    #[error(transparent)]
    Engine(#[from] vault_sdk::Error),
    /// 500: the store failed, or was tampered with.
    #[error("storage failed")]
    Barrier(#[from] barrier::Error),
    /// 400 at unseal and rekey: the seal refused.
    #[error(transparent)]
    Seal(#[from] seal::Error),
}

impl Error {
    /// A refusal of input.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }
}

/// What an engine's caller may learn of an error of the core.
impl From<Error> for vault_sdk::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Engine(error) => error,
            Error::Invalid(text) => Self::Invalid(text),
            Error::Denied => Self::Denied,
            Error::Barrier(barrier::Error::Conflict { .. }) => {
                Self::Precondition("the entry was changed at the same time; try again".to_owned())
            }
            Error::Barrier(error) => Self::Storage(storage_error(error)),
            Error::Sealed | Error::Clock(_) => {
                Self::Status { status: 503, text: error.to_string() }
            }
            Error::RateLimited { .. } => Self::Status { status: 429, text: error.to_string() },
            Error::Audit => Self::Status { status: 500, text: error.to_string() },
            Error::NotInitialized | Error::Seal(_) => Self::Invalid(error.to_string()),
        }
    }
}

/// The barrier's errors as engines know them.
pub(crate) fn storage_error(error: barrier::Error) -> vault_sdk::StorageError {
    match error {
        barrier::Error::Conflict { key } => vault_sdk::StorageError::Conflict { key },
        barrier::Error::TooLarge { what, limit, found } => {
            vault_sdk::StorageError::TooLarge { what, limit, found }
        }
        barrier::Error::Tampered { key, .. } => vault_sdk::StorageError::Damaged { key },
        other => vault_sdk::StorageError::Unavailable(other.to_string()),
    }
}
