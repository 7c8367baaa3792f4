//! Exit codes, the same for every verb.

use std::process::ExitCode;

/// What `--help` says about exit codes.
pub(crate) const HELP: &str = "\
Exit codes:
  0  success
  1  the command failed; standard error says why
  2  the command line is wrong
  3  what was inspected is refused: a signature or a measurement does not check,
     or, with --deny-warnings, there is a warning";

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Success,
    /// The command failed.
    Failed,
    /// The command worked, and what it looked at is refused.
    Refused,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Success => 0,
            Exit::Failed => 1,
            // 2 is clap's, for a wrong command line.
            Exit::Refused => 3,
        })
    }
}
