//! User lockout: who fails to log in too often is shut out for a while.
//!
//! It counts under the alias as the login itself would have it, so that other spellings of a name
//! are no other names (CVE-2025-6004).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Users that are remembered.
const USERS_MAX: usize = 100_000;
/// Failures until a user is shut out.
pub(crate) const THRESHOLD: u32 = 5;
/// How long a user is shut out, and after which time failures are forgotten, in milliseconds.
const DURATION_MS: u64 = 15 * 60 * 1000;

/// Failed logins by mount accessor and alias.
#[derive(Debug, Default)]
pub(crate) struct Lockout(Mutex<HashMap<(String, String), Failures>>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last_ms: u64,
}

impl Failures {
    fn is_recent(self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.last_ms) < DURATION_MS
    }
}

impl Lockout {
    /// Whether the user is shut out.
    pub(crate) fn is_locked(&self, mount: &str, alias: &str, now_ms: u64) -> bool {
        let users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = users.get(&(mount.to_owned(), alias.to_owned()));
        failures.is_some_and(|failures| failures.count >= THRESHOLD && failures.is_recent(now_ms))
    }

    /// Counts a failure.
    pub(crate) fn fail(&self, mount: &str, alias: &str, now_ms: u64) {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= USERS_MAX {
            users.retain(|_, failures| failures.is_recent(now_ms));
        }
        let none = Failures { count: 0, last_ms: now_ms };
        let failures = users.entry((mount.to_owned(), alias.to_owned())).or_insert(none);
        let count = if failures.is_recent(now_ms) { failures.count.saturating_add(1) } else { 1 };
        *failures = Failures { count, last_ms: now_ms };
    }

    /// Forgets a user's failures: after a login, or because an operator says so.
    pub(crate) fn forget(&self, mount: &str, alias: &str) {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.remove(&(mount.to_owned(), alias.to_owned()));
    }

    /// Users that are shut out now: mount accessor and alias.
    pub(crate) fn locked(&self, now_ms: u64) -> Vec<(String, String)> {
        let users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let locked = users.iter().filter(|(_, f)| f.count >= THRESHOLD && f.is_recent(now_ms));
        let mut locked: Vec<_> = locked.map(|(user, _)| user.clone()).collect();
        locked.sort_unstable();
        locked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_lock_for_a_quarter_of_an_hour() {
        let lockout = Lockout::default();
        for n in 0..THRESHOLD {
            assert!(!lockout.is_locked("m", "ann", 1000), "after {n}");
            lockout.fail("m", "ann", 1000);
        }
        assert!(lockout.is_locked("m", "ann", 1000));
        assert!(!lockout.is_locked("m", "bob", 1000) && !lockout.is_locked("other", "ann", 1000));
        assert_eq!(lockout.locked(1000), [("m".to_owned(), "ann".to_owned())]);
        assert!(!lockout.is_locked("m", "ann", 1000 + DURATION_MS));
        lockout.fail("m", "ann", 1000 + DURATION_MS);
        assert!(!lockout.is_locked("m", "ann", 1000 + DURATION_MS), "counting starts anew");
        lockout.forget("m", "ann");
        assert!(lockout.locked(1000).is_empty());
    }
}
