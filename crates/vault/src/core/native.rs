//! The core's own engines: `sys`, `auth/token`, `identity`. They are served through path tables like any
//! other, but each request makes its own engine, which knows the caller's token and can issue tokens.

use std::sync::{Arc, Mutex, PoisonError};

use vault_sdk::{Boxed, Error as SdkError, Response};
use zeroize::Zeroizing;

use super::Inner;
use super::active::Active;
use crate::Error;
use crate::lease::Held;
use crate::reply::{IssuedAuth, IssuedLease, Reply};

/// One request to the core itself.
#[derive(Clone)]
pub(crate) struct Native {
    pub(crate) core: Arc<Inner>,
    pub(crate) active: Arc<Active>,
    /// The caller's token.
    pub(crate) token: Option<Arc<Held>>,
    /// As it was presented.
    pub(crate) presented: Option<Zeroizing<String>>,
    outcome: Arc<Mutex<Outcome>>,
}

/// What a handler gives beside its response.
#[derive(Default)]
pub(crate) enum Outcome {
    #[default]
    Nothing,
    /// A token that is issued or renewed.
    Auth(IssuedAuth),
    /// A lease that is renewed.
    Lease(IssuedLease),
    /// An answer that was wrapped.
    Whole(Box<Reply>),
}

impl Native {
    pub(crate) fn new(
        core: Arc<Inner>,
        active: Arc<Active>,
        token: Option<Arc<Held>>,
        presented: Option<Zeroizing<String>>,
    ) -> Self {
        Native { core, active, token, presented, outcome: Arc::default() }
    }

    /// The caller's token, on paths that need one.
    pub(crate) fn caller(&self) -> Result<&Arc<Held>, Error> {
        self.token.as_ref().ok_or(Error::Denied)
    }

    pub(crate) fn give(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
    }

    pub(crate) fn take(&self) -> Outcome {
        std::mem::take(&mut self.outcome.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The answer of a handler that does not wait for anything.
pub(crate) fn done<'a>(result: Result<Response, Error>) -> Boxed<'a, Result<Response, SdkError>> {
    Box::pin(std::future::ready(result.map_err(SdkError::from)))
}
