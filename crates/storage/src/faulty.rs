//! A store that is slow, gets fenced, and fails, around one that is none of it.
//!
//! What it does follows from a seed, so a failing test can be repeated.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::Poll;

use crate::{Backend, Batch, Change, Error, Snapshot, Task, Version};

/// A backend with faults.
#[derive(Debug)]
pub struct Faulty<B> {
    inner: B,
    random: AtomicU64,
    /// One commit in so many fails before it happens; 0: none.
    pub fail_before_one_in: AtomicU32,
    /// One commit in so many happens and is answered as failed; 0: none.
    pub fail_after_one_in: AtomicU32,
    /// Polls until an operation goes on, at most.
    pub delay_polls: AtomicU32,
}

impl<B: Backend> Faulty<B> {
    /// Wraps `inner`; slow, but without failures until they are switched on.
    pub fn new(inner: B, seed: u64) -> Self {
        Faulty {
            inner,
            random: AtomicU64::new(seed),
            fail_before_one_in: AtomicU32::new(0),
            fail_after_one_in: AtomicU32::new(0),
            delay_polls: AtomicU32::new(3),
        }
    }

    /// The backend inside.
    pub const fn inner(&self) -> &B {
        &self.inner
    }

    /// A number below `bound`, or 0. SplitMix64, the mixing function of `java.util.SplittableRandom`.
    fn below(&self, bound: u32) -> u32 {
        let mut z = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let low = u32::try_from((z ^ (z >> 31)) & 0xffff_ffff).unwrap_or_default();
        if bound == 0 { 0 } else { low % bound }
    }

    fn strikes(&self, one_in: &AtomicU32) -> bool {
        let one_in = one_in.load(Ordering::Relaxed);
        one_in != 0 && self.below(one_in) == 0
    }

    async fn delay(&self) {
        let mut polls = self.below(self.delay_polls.load(Ordering::Relaxed) + 1);
        poll_fn(move |context| {
            if polls == 0 {
                return Poll::Ready(());
            }
            polls -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

fn failed(operation: &'static str) -> Error {
    Error::Unavailable { operation, reason: "a fault was injected".into() }
}

impl<B: Backend> Backend for Faulty<B> {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn snapshot(&self) -> Task<'_, Result<Arc<dyn Snapshot>, Error>> {
        Task::waiting(async {
            self.delay().await;
            self.inner.snapshot().await
        })
    }

    fn commit(&self, batch: Batch) -> Task<'_, Result<Version, Error>> {
        Task::waiting(async move {
            self.delay().await;
            if self.strikes(&self.fail_before_one_in) {
                return Err(failed("commit"));
            }
            let version = self.inner.commit(batch).await?;
            if self.strikes(&self.fail_after_one_in) {
                return Err(failed("commit"));
            }
            Ok(version)
        })
    }

    fn changes(&self, after: Version) -> Task<'_, Result<Vec<Change>, Error>> {
        Task::waiting(async move {
            self.delay().await;
            self.inner.changes(after).await
        })
    }
}
