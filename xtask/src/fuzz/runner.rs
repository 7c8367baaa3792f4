//! Runs targets, as many at a time as there are processors.

use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

use super::Target;

/// Lines of a failed target's output that are shown.
const SHOWN: usize = 40;
/// An input that takes longer is a finding, in seconds: far above what any takes on a busy machine.
const SLOWEST_INPUT: u32 = 60;

/// How a target ended.
pub(super) struct Outcome {
    pub(super) target: &'static str,
    /// What libFuzzer says it did.
    pub(super) result: Result<String>,
}

/// Runs every target to its end; outcomes come in the order of the targets.
pub(super) fn run_all(targets: &[Target], seconds: u32) -> Vec<Outcome> {
    let width = std::thread::available_parallelism().map_or(1, usize::from);
    let next = Mutex::new(targets.iter().enumerate());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..width.min(targets.len()) {
            scope.spawn(|| {
                loop {
                    let taken = next.lock().ok().and_then(|mut rest| rest.next());
                    let Some((index, target)) = taken else { return };
                    let outcome = Outcome { target: target.name, result: run(target, seconds) };
                    if let Ok(mut done) = done.lock() {
                        done.push((index, outcome));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

fn run(target: &Target, seconds: u32) -> Result<String> {
    let output = Command::new(&target.program)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={SLOWEST_INPUT}"))
        .arg(format!("-artifact_prefix={}/", target.artifacts.display()))
        .arg(&target.found)
        .args(&target.seeds)
        .stdout(Stdio::null())
        .output()
        .with_context(|| format!("start {}", target.program.display()))?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let lines: Vec<&str> = log.lines().collect();
        let shown = lines.get(lines.len().saturating_sub(SHOWN)..).unwrap_or_default();
        bail!(
            "{}; the input is in {}\n{}",
            output.status,
            target.artifacts.display(),
            shown.join("\n")
        );
    }
    summary(&log).with_context(|| format!("{} did not say how many inputs it ran", target.name))
}

/// What a run did, from lines such as `Done 1234 runs in 31 second(s)` and
/// `#1234  DONE   cov: 567 ft: 890 corp: 12/34b ...`.
fn summary(log: &str) -> Option<String> {
    let (runs, rest) = log.lines().rev().find_map(|line| {
        line.strip_prefix("Done ")?.strip_suffix(" second(s)")?.split_once(" runs in ")
    })?;
    let covered = log.lines().rev().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "cov:")?;
        words.get(at + 1).copied()
    })?;
    Some(format!("{runs} inputs in {rest} s, {covered} edges"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_read_from_the_log() {
        let log = "INFO: seed corpus\n#12\tINITED cov: 3 ft: 4\n#99\tDONE   cov: 17 ft: 29 corp: 5/9b\nDone 99 runs in 31 second(s)\n";
        assert_eq!(summary(log).as_deref(), Some("99 inputs in 31 s, 17 edges"));
        assert_eq!(summary("==1== ERROR: libFuzzer: deadly signal"), None);
    }
}
