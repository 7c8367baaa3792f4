//! Switching between two forked processes that live at the same addresses of one ELRANGE.
//!
//! ```text
//! ELRANGE  0x10000 ─┬─ reserved ─┬─ PRIVATE: data and stack of the ─┬─ SHARED: futex word and ─┬─
//!                   │            │  running process (conflicting)   │  round counter           │
//! ```
//!
//! Two "processes" are two host threads. Both run on a stack inside PRIVATE and keep their data
//! there, at the same addresses; a futex word in SHARED passes the turn. A process that blocks
//! leaves its stack, parks, and the pages of PRIVATE are exchanged for the other's.
//!
//! On hardware an EPC page belongs to one address for good, so only [`Strategy::Copy`] and
//! [`Strategy::Exchange`] exist there; the others show what an emulator could cheat with.

mod pages;
mod processes;

use std::time::Duration;

pub use pages::Strategy;

/// Where a Debian non-PIE program is linked; both processes have their private pages here.
const PRIVATE: usize = 0x40_0000;
/// The stack of either process, at the bottom of its private pages.
const STACK: usize = 64 << 10;
/// The page both processes share.
const SHARED: usize = 0x3f_0000;

/// Prints milliseconds per MB and the floor of a switch for every strategy.
pub fn report() -> anyhow::Result<()> {
    println!("strategy         private MB  pages ms/switch   ms/MB  hand-over us");
    for strategy in Strategy::ALL {
        for mib in [0, 1, 16, 64] {
            let rounds = if mib == 64 { 40 } else { 200 };
            let outcome = processes::run(strategy, mib << 20, rounds)?;
            let ms = median(outcome.page_times).as_secs_f64() * 1e3;
            let per_mb = if mib == 0 { "-".into() } else { format!("{:.4}", ms / mib as f64) };
            let handover = median(outcome.handover_times).as_secs_f64() * 1e6;
            println!("{:<16} {mib:>10} {ms:>16.4} {per_mb:>7} {handover:>13.1}", strategy.name());
        }
    }
    println!("medians; private MB 0 is one run of 64 pages, 64 KiB of it the stack");
    Ok(())
}

/// The middle one of the times.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_processes_find_their_memory_and_the_shared_word_after_every_switch() {
        for strategy in Strategy::ALL {
            let outcome = processes::run(strategy, 1 << 20, 10).unwrap();
            assert_eq!(outcome.page_times.len(), 20, "{}", strategy.name());
            assert_eq!(outcome.mismatches, 0, "{}", strategy.name());
            assert_eq!(outcome.shared_rounds, 20, "{}", strategy.name());
        }
    }

    #[test]
    fn a_switch_that_forgets_a_page_is_noticed() {
        assert!(processes::run(Strategy::Forgetful, 1 << 20, 4).unwrap().mismatches > 0);
    }
}
