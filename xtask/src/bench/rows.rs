//! The rows: what is measured, and what it must be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::{process, stage, workspace};

/// Measures once; the argument is the transition cost in cycles, which a native probe ignores.
pub(super) type Probe = Box<dyn FnMut(u32) -> Result<Sample>>;

/// One measurement of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// In the unit of the row.
    pub(super) value: f64,
    /// Enclave exits per operation, where they were counted.
    pub(super) exits: Option<f64>,
}

/// A line of the table.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) better: Better,
    pub(super) target: Target,
    /// What ours is compared with; a row with an absolute target may have none.
    pub(super) native: Option<Probe>,
    pub(super) ours: Probe,
}

/// Which direction is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Better {
    /// Time per operation, memory.
    Less,
    /// Operations per second.
    #[allow(dead_code, reason = "for throughput rows, which need servers in the enclave")]
    More,
}

/// What a row must be, at transition cost 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    /// At most (or for [`Better::More`] at least) this many times native.
    TimesNative(f64),
    /// At most (or at least) this, in the unit of the row.
    Absolute(f64),
    /// Shown, not judged.
    Reported,
}

/// The rows of `cargo xtask bench runtime`.
pub(super) fn runtime() -> Result<Vec<Row>> {
    let casemate = stage::stage()?.join("casemate");
    let bare = compile("bare_sigsys", include_str!("programs/bare_sigsys.c"))?;
    let getpid = compile("getpid", include_str!("programs/getpid.c"))?;
    let transitions = transitions_test()?;
    let calls = compile_with("gcc", "calls", include_str!("programs/calls.c"))?;
    let answered = CALLS.iter().map(|(name, operation, target)| Row {
        name,
        unit: "ns",
        better: Better::Less,
        target: *target,
        native: Some({
            let calls = calls.clone();
            Box::new(move |_| printed(Command::new(&calls).arg(operation)))
        }),
        ours: {
            let (casemate, calls) = (casemate.clone(), calls.clone());
            Box::new(move |cycles| {
                printed(enclave(&casemate, cycles).arg("--").arg(&calls).arg(operation))
            })
        },
    });
    let answered: Vec<Row> = answered.collect();
    let mut rows = vec![
        Row {
            name: "start of a static /bin/true, signed manifest",
            unit: "ms",
            better: Better::Less,
            target: Target::Absolute(5.0),
            native: Some(native_start(&["/bin/busybox", "true"])),
            ours: signed_start(&casemate)?,
        },
        Row {
            name: "start of a static /bin/true, --dev",
            unit: "ms",
            better: Better::Less,
            target: Target::Reported,
            native: Some(native_start(&["/bin/busybox", "true"])),
            ours: enclave_start(casemate.clone(), &["/bin/busybox", "true"]),
        },
        Row {
            name: "trapped getpid (native: bare SIGSYS)",
            unit: "ns",
            better: Better::Less,
            target: Target::TimesNative(1.3),
            native: Some(Box::new(move |_| printed(&mut Command::new(&bare)))),
            ours: Box::new(move |cycles| {
                printed(enclave(&casemate, cycles).arg("--").arg(&getpid))
            }),
        },
        Row {
            name: "enter and exit",
            unit: "ns",
            better: Better::Less,
            target: Target::Absolute(150.0),
            native: None,
            ours: Box::new(move |cycles| {
                let mut test = Command::new(&transitions);
                test.args(["--ignored", "--exact", "--nocapture", "transitions::cost"]);
                printed(test.env("CASEMATE_TRANSITION_CYCLES", cycles.to_string()))
            }),
        },
    ];
    rows.extend(answered);
    Ok(rows)
}

/// System calls of an unmodified libc: name of the row, operation of `calls.c`, target.
const CALLS: [(&str, &str, Target); 13] = [
    ("getpid", "getpid", Target::TimesNative(0.5)),
    ("clock_gettime", "clock_gettime", Target::TimesNative(1.5)),
    ("read 1 B /dev/zero", "read", Target::TimesNative(0.5)),
    ("write 1 B /dev/null", "write-1", Target::TimesNative(0.5)),
    ("write 4 KB /dev/null", "write-4k", Target::TimesNative(0.5)),
    ("stat cached", "stat", Target::TimesNative(0.5)),
    ("fstat", "fstat", Target::TimesNative(0.5)),
    ("open+close of a file", "open-close", Target::TimesNative(2.0)),
    ("pread 1 B", "pread", Target::TimesNative(1.5)),
    ("mmap+munmap 1 page", "mmap", Target::TimesNative(1.0)),
    ("mmap+touch+munmap 1 page", "mmap-touch", Target::Reported),
    ("pipe write+read same thread", "pipe", Target::TimesNative(0.5)),
    ("futex wake, no waiter", "futex-wake", Target::TimesNative(0.5)),
];

/// Compiles a C program: statically with musl, or with the system's own libc.
fn compile(name: &str, source: &str) -> Result<PathBuf> {
    compile_with("musl-gcc", name, source)
}

pub(super) fn compile_with(compiler: &str, name: &str, source: &str) -> Result<PathBuf> {
    let folder = workspace::root().join("target").join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let (from, to) = (folder.join(name).with_extension("c"), folder.join(name));
    fs::write(&from, source).with_context(|| format!("write {}", from.display()))?;
    let mut command = Command::new(compiler);
    if compiler == "musl-gcc" {
        command.arg("-static");
    }
    process::run(command.args(["-O2", "-o"]).arg(&to).arg(&from))?;
    Ok(to)
}

/// Builds the emulator's tests, one of which measures transitions, and finds them.
fn transitions_test() -> Result<PathBuf> {
    let mut cargo = process::cargo();
    cargo.args(["test", "--release", "--locked", "--package", "sgx-emu", "--test", "exec"]);
    let output = process::stdout(cargo.args(["--no-run", "--message-format=json"]))?;
    let lines = String::from_utf8(output).context("cargo's messages are not UTF-8")?;
    lines
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
        .context("cargo built no test")
}

/// The last number on the standard output of a program that measures itself.
pub(super) fn printed(command: &mut Command) -> Result<Sample> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let value = text.lines().filter_map(|line| line.trim().parse().ok()).next_back();
    let value = value.with_context(|| format!("{command:?} printed no number"))?;
    Ok(Sample { value, exits: None })
}

/// Milliseconds from starting a program to its end.
fn native_start(program: &'static [&'static str]) -> Probe {
    Box::new(move |_| milliseconds(Command::new(program[0]).args(&program[1..])))
}

/// The same in an enclave.
fn enclave_start(casemate: PathBuf, program: &'static [&'static str]) -> Probe {
    Box::new(move |cycles| milliseconds(enclave(&casemate, cycles).arg("--").args(program.iter())))
}

/// The manifest of the start row: a program with one thread.
const TRUE_MANIFEST: &str = "\
[enclave]
threads = 1
[program]
entrypoint = \"/bin/busybox\"
args = [\"true\"]
[[files]]
path = \"/bin/busybox\"
";

/// The same from a compiled and signed manifest.
fn signed_start(casemate: &Path) -> Result<Probe> {
    let folder = workspace::root().join("target").join("bench").join("true");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let at = |name: &str| folder.join(name);
    let manifest = at("true.toml");
    fs::write(&manifest, TRUE_MANIFEST).with_context(|| format!("write {}", manifest.display()))?;
    let key = at("signer.pem");
    if !key.exists() {
        process::run(Command::new(casemate).args(["sign", "keygen", "-o"]).arg(&key))?;
    }
    process::run(Command::new(casemate).arg("compile").arg(&manifest))?;
    let mut sign = Command::new(casemate);
    sign.arg("sign").arg("--manifest").arg(at("true.casemate")).arg("--key").arg(&key);
    process::run(sign.args(["--date", "2026-01-01", "-o"]).arg(at("true.sig")))?;
    let casemate = casemate.to_owned();
    Ok(Box::new(move |cycles| {
        let mut command = Command::new(&casemate);
        command.arg("run").arg(format!("--emu-transition-cycles={cycles}"));
        milliseconds(command.arg("--manifest").arg(&manifest))
    }))
}

pub(super) fn enclave(casemate: &Path, cycles: u32) -> Command {
    let mut command = Command::new(casemate);
    command.args(["run", "--dev"]).arg(format!("--emu-transition-cycles={cycles}"));
    command
}

pub(super) fn milliseconds(command: &mut Command) -> Result<Sample> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    let value = start.elapsed().as_secs_f64() * 1e3;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(Sample { value, exits: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_programs_and_refuses_failing_ones() {
        let sample = native_start(&["sleep", "0.02"])(0).unwrap();
        assert!(sample.value >= 20.0, "{sample:?}");
        assert!(native_start(&["false"])(0).is_err());
        assert!(native_start(&["/nonexistent"])(0).is_err());
    }
}
