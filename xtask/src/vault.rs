//! `cargo xtask test vault`: the secrets server beside a real OpenBao. The same requests go to both, and
//! the answers are compared.
//!
//! The requests are scripts under `tests/vault/requests`, each for a fresh pair of development servers.
//! What may differ is in `tests/vault/differences.txt` with the reason; a difference that is gone must be taken
//! out, so that the file only shrinks.
//!
//! ```text
//! METHOD PATH [JSON]    sent to both; `$NAME` stands for what was saved
//! as NAME               the token for what follows: `root`, `nobody`, or a saved one
//! header NAME VALUE     for the next request only
//! save NAME POINTER     keeps what stands at this JSON pointer of the last answers
//! ```

mod compare;
mod differences;
mod oracle;
mod script;
mod server;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::suites::Tally;
use crate::{process, workspace};
use differences::Differences;
use script::{Script, Step};
use server::{Answer, Server, Session};

/// Runs every script; fails if answers differ otherwise than they may.
pub(crate) fn run(tally: &mut Tally) -> Result<()> {
    let bao = oracle::bao()?;
    process::run(process::cargo().args(["build", "--locked", "--quiet", "--package", "server"]))?;
    let ours = workspace::root().join("target").join("debug").join("casemate-server");
    let mut differences = Differences::load()?;
    let mut failed = 0_u64;
    for path in scripts()? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let script = Script::parse(&text).with_context(|| format!("{}", path.display()))?;
        let pair = (Server::start(&bao)?, Server::start(&ours)?);
        let found = play(&name, &script, &pair.0, &pair.1)?;
        let unexplained: Vec<String> = differences.unexplained(found);
        let requests = script.requests();
        if unexplained.is_empty() {
            println!("vault {name} ... ok, {requests} requests");
            tally.passed += requests;
        } else {
            println!("vault {name} ... FAILED");
            unexplained.iter().for_each(|line| println!("  {line}"));
            tally.failed += 1;
            failed += 1;
        }
    }
    differences.check_used()?;
    ensure!(failed == 0, "{failed} scripts have answers that differ without a reason");
    Ok(())
}

/// Sends every request to both servers and lists where the answers differ.
fn play(
    name: &str,
    script: &Script,
    bao: &Server,
    ours: &Server,
) -> Result<Vec<compare::Difference>> {
    let (mut theirs, mut mine) = (Session::new(bao), Session::new(ours));
    let mut found = Vec::new();
    for step in &script.steps {
        match step {
            Step::As(who) => {
                theirs.speak_as(who)?;
                mine.speak_as(who)?;
            }
            Step::Header(name, value) => {
                theirs.header(name, value);
                mine.header(name, value);
            }
            Step::Save(variable, pointer) => {
                // What ours lacks is seen as a difference; what the oracle lacks is a wrong script.
                theirs.save(variable, pointer).context("OpenBao's answer")?;
                if mine.save(variable, pointer).is_err() {
                    mine.save_text(variable, "missing");
                }
            }
            Step::Request(request) => {
                let answers: [Answer; 2] = [theirs.send(request)?, mine.send(request)?];
                let label = format!("{name}: {} {}", request.method, request.path);
                found.extend(compare::differences(&label, &answers[0], &answers[1]));
            }
        }
    }
    Ok(found)
}

fn scripts() -> Result<Vec<PathBuf>> {
    let folder = workspace::root().join("tests").join("vault").join("requests");
    let entries = fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    Ok(paths)
}
