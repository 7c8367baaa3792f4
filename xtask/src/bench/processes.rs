//! Rows about making processes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::rows::{Better, Row, Target, compile_with, enclave, milliseconds, printed};
use crate::stage;

/// A shell that starts a program a hundred times.
const LOOP: &str = "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i + 1)); done";

/// Name, arguments of `spawn.c`, target.
const WAYS: [(&str, &[&str], Target); 8] = [
    ("fork + _exit + wait", &["fork"], Target::Reported),
    ("fork + _exit + wait, 64 MB parent", &["fork", "64"], Target::Reported),
    ("fork + exec + wait", &["exec"], Target::TimesNative(10.0)),
    ("fork + exec + wait, 64 MB parent", &["exec", "64"], Target::Reported),
    ("vfork + exec + wait", &["vfork"], Target::TimesNative(5.0)),
    ("vfork + exec + wait, 64 MB parent", &["vfork", "64"], Target::TimesNative(5.0)),
    ("posix_spawn + wait", &["spawn"], Target::TimesNative(5.0)),
    ("posix_spawn + wait, 64 MB parent", &["spawn", "64"], Target::TimesNative(5.0)),
];

/// The rows; programs are compiled first.
pub(super) fn rows() -> Result<Vec<Row>> {
    let casemate = stage::stage()?.join("casemate");
    let spawn = compile_with("gcc", "spawn", include_str!("programs/spawn.c"))?;
    let mut rows: Vec<Row> = WAYS
        .into_iter()
        .map(|(name, args, target)| way(&casemate, &spawn, name, args, target))
        .collect();
    rows.push(Row {
        name: "shell loop of 100 /bin/true",
        unit: "ms",
        better: Better::Less,
        target: Target::TimesNative(5.0),
        native: Some(Box::new(|_| milliseconds(Command::new("/bin/dash").args(["-c", LOOP])))),
        ours: Box::new(move |cycles| {
            milliseconds(enclave(&casemate, cycles).args(["--", "/bin/dash", "-c", LOOP]))
        }),
    });
    Ok(rows)
}

fn way(
    casemate: &Path,
    program: &Path,
    name: &'static str,
    args: &'static [&'static str],
    target: Target,
) -> Row {
    let (casemate, program): (PathBuf, PathBuf) = (casemate.into(), program.into());
    let native = program.clone();
    Row {
        name,
        unit: "ms",
        better: Better::Less,
        target,
        native: Some(Box::new(move |_| printed(Command::new(&native).args(args)))),
        ours: Box::new(move |cycles| {
            printed(enclave(&casemate, cycles).arg("--").arg(&program).args(args))
        }),
    }
}
