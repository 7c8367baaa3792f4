//! The change feed: which keys the last commits wrote.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::{Error, Operation, Task, Version};

/// Commits that are kept. Who falls further behind starts afresh.
const KEPT: usize = 1024;

/// What one commit wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The commit.
    pub version: Version,
    /// The keys it put or deleted.
    pub keys: Arc<[Vec<u8>]>,
}

#[derive(Default)]
pub(crate) struct Feed(Mutex<State>);

#[derive(Default)]
struct State {
    /// Commits up to here are known, kept or not.
    newest: Version,
    kept: VecDeque<Change>,
    waiting: Vec<Waker>,
}

impl Feed {
    /// A feed that starts behind commit `newest`.
    pub(crate) fn starting_at(newest: Version) -> Self {
        Feed(Mutex::new(State { newest, ..State::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn publish(&self, version: Version, operations: &[Operation]) {
        let keys = operations.iter().map(|operation| operation.key().to_vec()).collect();
        let mut state = self.state();
        state.newest = version;
        state.kept.push_back(Change { version, keys });
        if state.kept.len() > KEPT {
            state.kept.pop_front();
        }
        for waker in state.waiting.drain(..) {
            waker.wake();
        }
    }

    pub(crate) fn after(&self, after: Version) -> Task<'_, Result<Vec<Change>, Error>> {
        Task::waiting(poll_fn(move |context| {
            let mut state = self.state();
            let oldest = state.kept.front().map_or(state.newest + 1, |change| change.version);
            if after + 1 < oldest {
                return Poll::Ready(Err(Error::Lagged { after, oldest }));
            }
            if after >= state.newest {
                state.waiting.push(context.waker().clone());
                return Poll::Pending;
            }
            let newer = state.kept.iter().filter(|change| change.version > after);
            Poll::Ready(Ok(newer.cloned().collect()))
        }))
    }
}
