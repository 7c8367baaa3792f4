//! Runs one script.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::script::{Script, Step};
use crate::workspace;

/// A command that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a script with the programs in `programs` first in PATH.
pub(super) fn run(script: &Script, programs: &Path) -> Result<()> {
    let work =
        tempfile::Builder::new().prefix("casemate-e2e-").tempdir().context("make a folder")?;
    let mut run = Run::new(work.path(), programs)?;
    for (name, content) in &script.files {
        let path = run.inside(name)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        fs::write(&path, content).with_context(|| format!("write {name}"))?;
    }
    for step in &script.steps {
        if let Err(error) = run.step(step) {
            bail!("line {}: {error:#}\n{}", step.line, run.last_output());
        }
    }
    Ok(())
}

/// The state between commands.
struct Run<'a> {
    work: &'a Path,
    environment: Vec<(String, OsString)>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl<'a> Run<'a> {
    fn new(work: &'a Path, programs: &Path) -> Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let tools = workspace::root().join("tests").join("e2e").join("bin");
        let folders = [programs.to_path_buf(), tools].into_iter();
        let folders = folders.chain(std::env::split_paths(&path));
        let path = std::env::join_paths(folders).context("join PATH")?;
        // Nothing is read from or left in the home of whoever runs the tests.
        let environment = vec![
            ("PATH".to_owned(), path),
            ("HOME".to_owned(), work.into()),
            ("WORK".to_owned(), work.into()),
        ];
        Ok(Self { work, environment, stdout: Vec::new(), stderr: Vec::new() })
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        let work = self.work.to_string_lossy();
        let words: Vec<String> =
            step.words.iter().map(|word| word.replace("$WORK", &work)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match (words.as_slice(), step.negated) {
            (["exec", program, arguments @ ..], _) => self.exec(program, arguments, step.negated),
            (["stdout", text], _) => contains("stdout", &self.stdout, text, step.negated),
            (["stderr", text], _) => contains("stderr", &self.stderr, text, step.negated),
            (["cmp", one, other], false) => self.compare(one, other),
            (["cp", from, to], false) => {
                let content = self.content(from)?;
                fs::write(self.inside(to)?, content).with_context(|| format!("write {to}"))
            }
            (["env", setting], false) => {
                let (name, value) = setting.split_once('=').context("expected NAME=VALUE")?;
                self.environment.push((name.to_owned(), value.into()));
                Ok(())
            }
            _ => bail!("unknown command: {}", step.words.join(" ")),
        }
    }

    fn exec(&mut self, program: &str, arguments: &[&str], must_fail: bool) -> Result<()> {
        let mut out = tempfile::tempfile().context("make a file for standard output")?;
        let mut err = tempfile::tempfile().context("make a file for standard error")?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir(self.work)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(out.try_clone().context("share the file for standard output")?)
            .stderr(err.try_clone().context("share the file for standard error")?)
            .spawn()
            .with_context(|| format!("cannot start `{program}`"))?;
        let status = wait(child);
        self.stdout = read_back(&mut out)?;
        self.stderr = read_back(&mut err)?;
        let status = status?;
        if must_fail {
            // A signal is a crash, not a refusal.
            ensure!(status.code().is_some(), "`{program}`: {status}, expected an exit code");
            ensure!(!status.success(), "`{program}` succeeded, expected failure");
        } else {
            ensure!(status.success(), "`{program}`: {status}, expected success");
        }
        Ok(())
    }

    fn compare(&self, one: &str, other: &str) -> Result<()> {
        let (a, b) = (self.content(one)?, self.content(other)?);
        if a != b {
            let at = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
            bail!("{one} ({} bytes) and {other} ({} bytes) differ at byte {at}", a.len(), b.len());
        }
        Ok(())
    }

    fn content(&self, name: &str) -> Result<Vec<u8>> {
        match name {
            "stdout" => Ok(self.stdout.clone()),
            "stderr" => Ok(self.stderr.clone()),
            _ => fs::read(self.work.join(name)).with_context(|| format!("read {name}")),
        }
    }

    /// A path in the folder of the script; refuses names that lead out of it.
    fn inside(&self, name: &str) -> Result<PathBuf> {
        let relative = Path::new(name).strip_prefix(self.work).unwrap_or(Path::new(name));
        let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
        ensure!(plain, "file name {name:?} leads out of the folder of the script");
        Ok(self.work.join(relative))
    }

    fn last_output(&self) -> String {
        let shown = |bytes: &[u8]| {
            let start = bytes.len().saturating_sub(4096);
            String::from_utf8_lossy(&bytes[start..]).into_owned()
        };
        format!("[stdout]\n{}\n[stderr]\n{}", shown(&self.stdout), shown(&self.stderr))
    }
}

fn contains(what: &str, output: &[u8], text: &str, negated: bool) -> Result<()> {
    let found = String::from_utf8_lossy(output).contains(text);
    ensure!(found || negated, "{what} does not contain {text:?}");
    ensure!(!found || !negated, "{what} contains {text:?}");
    Ok(())
}

fn wait(mut child: Child) -> Result<ExitStatus> {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().context("wait for a command")? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            child.kill().context("end a command that takes too long")?;
            child.wait().context("wait for a command")?;
            bail!("not finished after {} s", LIMIT.as_secs());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn read_back(file: &mut File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).context("rewind an output file")?;
    std::io::Read::read_to_end(file, &mut bytes).context("read an output file")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::script::parse;
    use super::*;

    fn outcome(text: &str) -> Result<()> {
        run(&parse(text).unwrap(), Path::new("/nonexistent"))
    }

    #[test]
    fn runs_commands_and_compares_their_output() {
        outcome(
            "exec cat in\nstdout two\n! stdout three\ncmp stdout in\ncp stdout copy\ncmp copy in\n\
             env GREETING=hello\nexec sh -c 'echo $GREETING >&2'\nstderr hello\n\
             ! exec false\nexec test -f $WORK/in\n-- in --\none\ntwo\n",
        )
        .unwrap();
    }

    #[test]
    fn fails_where_a_step_does_not_hold() {
        for (script, message) in [
            ("exec false", "line 1: `false`: exit status: 1, expected success"),
            ("! exec true", "line 1: `true` succeeded, expected failure"),
            ("! exec sh -c 'kill -9 $$'", "signal: 9"),
            ("exec echo a\nstdout b", "line 2: stdout does not contain \"b\""),
            ("exec echo a\n! stdout a", "line 2: stdout contains \"a\""),
            ("cmp a b\n-- a --\nx\n-- b --\ny\n", "differ at byte 0"),
            ("frobnicate", "unknown command: frobnicate"),
            ("exec true\n-- ../escape --\n", "leads out of the folder"),
            ("exec no-such-program", "cannot start `no-such-program`"),
        ] {
            let error = format!("{:#}", outcome(script).unwrap_err());
            assert!(error.contains(message), "{script}: {error}");
        }
    }

    #[test]
    fn hides_the_environment_of_the_caller() {
        outcome("exec env\n! stdout CARGO").unwrap();
    }
}
