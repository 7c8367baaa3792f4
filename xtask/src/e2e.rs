//! End-to-end scripts: `tests/e2e/*.txt`, run against what a user installs.
//!
//! A script is text that an auditor can read: commands first, then the files they use, each after
//! a line `-- NAME --`. Every script runs in a fresh folder that holds its files, with the built
//! `casemate` first in PATH and the tools of `tests/e2e/bin` after it. Blank lines and lines that
//! begin with `#` say what is shown.
//!
//! ```text
//! exec PROGRAM ARG...   run it; it must exit 0
//! ! exec PROGRAM ARG... run it; it must exit with another code
//! stdout TEXT           the last standard output contains TEXT (`! stdout`: does not)
//! stderr TEXT           likewise
//! cmp FILE FILE         both are equal; `stdout` and `stderr` name the last output
//! cp FILE NAME          copy a file, or the last output
//! env NAME=VALUE        for the commands that follow
//! ```
//!
//! Words are separated by blanks; `'single quotes'` keep blanks, a doubled quote within them is a
//! quote. `$WORK` is the folder of the script.

mod run;
mod script;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::suites::Tally;
use crate::{stage, workspace};

/// Runs all scripts to their end; fails if one failed.
pub(crate) fn run(tally: &mut Tally) -> Result<()> {
    let scripts = scripts()?;
    if scripts.is_empty() {
        println!("no scripts under tests/e2e");
        return Ok(());
    }
    let stage = stage::stage()?;
    let mut failed = Vec::new();
    for path in scripts {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        match script::parse(&text).and_then(|script| run::run(&script, &stage)) {
            Ok(()) => {
                println!("e2e {name} ... ok");
                tally.passed += 1;
            }
            Err(error) => {
                println!("e2e {name} ... FAILED\n{error:#}");
                tally.failed += 1;
                failed.push(name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("scripts failed: {}", failed.join(", "));
    }
    Ok(())
}

fn scripts() -> Result<Vec<PathBuf>> {
    let folder = workspace::root().join("tests").join("e2e");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    Ok(paths)
}
