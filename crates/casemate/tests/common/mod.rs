//! Runs the built `casemate` and gives the tests their files.
#![allow(dead_code, reason = "each test program uses some of it")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Asserts success and returns standard output.
    pub fn succeeded(self) -> String {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout
    }

    /// Asserts the exit code and that standard error holds `text`.
    pub fn failed_with(self, code: i32, text: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.contains(text), "expected {text:?} in: {}", self.stderr);
    }

    /// Parses standard output as JSON.
    pub fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// Runs `casemate` with arguments separated by spaces, in `directory`.
pub fn casemate(directory: &Path, arguments: &str) -> Run {
    run(command(directory, arguments))
}

/// A program that is ended when the test is done with it.
pub struct Started(pub std::process::Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `casemate` and leaves it running; its standard output can be read.
pub fn start(directory: &Path, arguments: &str) -> Started {
    Started(command(directory, arguments).stdout(std::process::Stdio::piped()).spawn().unwrap())
}

/// Like [`casemate`], with SOURCE_DATE_EPOCH set.
pub fn casemate_at(directory: &Path, epoch: &str, arguments: &str) -> Run {
    let mut command = command(directory, arguments);
    command.env("SOURCE_DATE_EPOCH", epoch);
    run(command)
}

#[allow(clippy::disallowed_methods, reason = "the test runs the program it tests")]
fn command(directory: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_casemate"));
    command
        .args(arguments.split_whitespace())
        .current_dir(directory)
        .env_remove("SOURCE_DATE_EPOCH");
    command
}

fn run(mut command: Command) -> Run {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Run {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// Returns the path of a file made by others.
pub fn vector(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sgx/measurement-vectors").join(file)
}

/// Returns a directory with `test.sgxs` and `key.pem` (the published sample key, mode 0600).
pub fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key.pem");
    fs::copy(vector("test_enclave.sgxs"), directory.path().join("test.sgxs")).unwrap();
    fs::copy(vector("sig1.key.pem"), &key).unwrap();
    chmod(&key, 0o600);
    directory
}

/// Sets the mode of a file.
pub fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Returns the mode of a file.
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
