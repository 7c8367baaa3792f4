//! Exit codes, the same for every verb.

use std::process::ExitCode;

/// What `--help` says about exit codes.
pub(crate) const HELP: &str = "\
Exit codes:
  0  success
  1  the command failed; standard error says why
  2  the command line is wrong
  3  what was inspected is refused: a signature or a measurement does not check,
     or, with --deny-warnings, there is a warning; evidence verifies and is not
     what production evidence should be; `casemate doctor`: enclaves cannot run here
Evidence and collateral that do not verify:
  10  malformed: the bytes are not what they claim to be
  11  untrusted: a signature, a revocation or a rule refuses them
  12  stale: valid at another time, or older than what was accepted before
  13  unavailable: collateral is missing or its service does not answer
  14  a mistake in the verifier
casemate run: the program's status, 128 plus the number of the signal that ended
it, or 125 when the enclave could not be started or could not go on";

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Success,
    /// The command failed.
    Failed,
    /// The command worked, and what it looked at is refused.
    Refused,
    /// Evidence or collateral does not verify.
    Evidence(dcap::Blame),
    /// `casemate run`: the program's own status.
    Program(u8),
    /// `casemate run`: the program did not run, or not to its end.
    NotRun,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Success => 0,
            Exit::Failed => 1,
            // 2 is clap's, for a wrong command line.
            Exit::Refused => 3,
            Exit::Program(status) => status,
            Exit::NotRun => 125,
            Exit::Evidence(blame) => match blame {
                dcap::Blame::Malformed => 10,
                dcap::Blame::Untrusted => 11,
                dcap::Blame::Stale => 12,
                dcap::Blame::Unavailable => 13,
                // Bug, and blames to come: not understood is not verified.
                _ => 14,
            },
        })
    }
}
