//! Page permissions kept by `mprotect`: a page of ELRANGE is inaccessible until the first touch
//! faults; the handler then commits a run of pages. The kernel keeps one mapping (VMA) for every
//! stretch of equal permissions and refuses more than `vm.max_map_count`.
//!
//! [`record`] writes what a real program maps and which pages it has touched at its end;
//! [`replay`] does the same to a 64 GiB reservation and counts mappings.

mod range;
mod record;
mod replay;

use std::path::Path;

use range::{Range, accessible};
pub use record::record;
use replay::Trace;

use crate::{ELRANGE, PAGE, processor_time};

/// Bytes of ELRANGE that runtime.md asks for at least.
const RESERVED: usize = 64 << 30;
/// Pages committed by one fault.
const RUNS: [usize; 5] = [1, 16, 64, 256, 512];
/// Where the measured region starts inside ELRANGE.
const REGION: usize = ELRANGE + (1 << 30);

/// Prints cost per page by run length, the mapping limit, and what recorded traces need.
pub fn report(traces: &[&str]) -> anyhow::Result<()> {
    const PAGES: usize = 16 << 10;
    println!("64 MiB touched page by page, us per page, best of 5:");
    println!("  {:<12} {:.2}", "native", best_of_5(|| native_touch(PAGES))?);
    for run in RUNS {
        println!("  run of {run:<5} {:.2}", best_of_5(|| touch_cost(run, PAGES))?);
    }
    println!("alternating permissions: {} pages, then the kernel refuses", until_refused(2, 1)?);
    for run in RUNS {
        let runs = until_refused(2 * run, run)?;
        let mib = (runs * run * PAGE) >> 20;
        println!("separate runs of {run}: {runs}, that is {mib} MiB committed at least");
    }
    for trace in traces {
        let parsed = Trace::parse(&std::fs::read_to_string(trace)?)?;
        println!(
            "{}: {} calls, {} MiB reserved at most, {} pages touched, {} mappings natively",
            Path::new(trace).display(),
            parsed.calls(),
            parsed.peak_reserved() >> 20,
            parsed.touched_pages(),
            parsed.native_mappings
        );
        for run in RUNS {
            let outcome = replay::replay(&parsed, run)?;
            println!(
                "  run of {run}: {} mappings at the end, {} at most; {} faults for {} touches, {} pages committed",
                outcome.mappings,
                outcome.peak_mappings,
                outcome.faults,
                outcome.touches,
                outcome.committed
            );
        }
    }
    Ok(())
}

fn best_of_5(measure: impl Fn() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    (0..5).try_fold(f64::INFINITY, |best, _| Ok(best.min(measure()?)))
}

fn native_touch(pages: usize) -> anyhow::Result<f64> {
    let range = Range::reserve(RESERVED, 1)?;
    range.allow_at_once(REGION, pages * PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
    Ok(touch_all(&range, pages))
}

/// Microseconds per page when each fault commits `run` pages.
fn touch_cost(run: usize, pages: usize) -> anyhow::Result<f64> {
    let range = Range::reserve(RESERVED, run)?;
    range.allow(REGION, pages * PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
    Ok(touch_all(&range, pages))
}

fn touch_all(range: &Range, pages: usize) -> f64 {
    let start = processor_time();
    for page in 0..pages {
        range.touch(REGION + page * PAGE);
    }
    (processor_time() - start).as_secs_f64() * 1e6 / pages as f64
}

/// Makes `run` pages of every `stride` accessible until `mprotect` fails; returns how often it
/// succeeded. In a child process, because others need mappings meanwhile.
fn until_refused(stride: usize, run: usize) -> anyhow::Result<usize> {
    let _range = Range::reserve(RESERVED, 1)?;
    let count = crate::in_child(|| {
        let steps = (RESERVED - (1 << 30)) / (stride * PAGE);
        let allow = |step: &usize| {
            let addr = REGION + step * stride * PAGE;
            accessible(addr, run * PAGE, libc::PROT_READ | libc::PROT_WRITE).is_ok()
        };
        (0..steps).take_while(allow).count() as u64
    })?;
    Ok(count as usize)
}

#[cfg(test)]
mod tests {
    use super::range::mappings_in;
    use super::*;

    const GO: &str = include_str!("../../tests/spikes/traces/go.txt");
    const NODE: &str = include_str!("../../tests/spikes/traces/node.txt");

    fn max_map_count() -> usize {
        std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap().trim().parse().unwrap()
    }

    #[test]
    fn a_first_touch_commits_one_run_and_the_next_fault_another() {
        let range = Range::reserve(RESERVED, 64).unwrap();
        range.allow(REGION, 128 * PAGE, libc::PROT_READ | libc::PROT_WRITE).unwrap();
        range.touch(REGION + 5 * PAGE);
        assert_eq!((range.faults(), range.committed()), (1, 64));
        range.touch(REGION + 63 * PAGE);
        assert_eq!(range.faults(), 1);
        range.touch(REGION + 64 * PAGE);
        assert_eq!((range.faults(), range.committed()), (2, 128));
        assert_eq!(mappings_in(ELRANGE, RESERVED).unwrap(), 3, "neighbouring runs are one mapping");
    }

    #[test]
    fn alternating_pages_exhaust_the_mappings_at_half_the_limit() {
        let count = until_refused(2, 1).unwrap();
        let limit = max_map_count() / 2;
        assert!((limit - 500..=limit).contains(&count), "{count} of {limit}");
    }

    #[test]
    fn go_and_v8_need_few_mappings_with_runs_of_64_pages() {
        for trace in [GO, NODE] {
            let trace = Trace::parse(trace).unwrap();
            let outcome = replay::replay(&trace, 64).unwrap();
            assert!(outcome.touches > 1000, "{outcome:?}");
            assert!(outcome.peak_mappings < max_map_count() / 50, "{outcome:?}");
            assert!(trace.peak_reserved() < RESERVED);
        }
    }
}
