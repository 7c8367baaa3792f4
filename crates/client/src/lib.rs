//! The verbs of Vault's command line: `read`, `write`, `kv`, `token`, `operator` and the rest, with Vault's
//! flags, output formats and exit codes.
//!
//! A verb parses its flags, asks the server, and renders the answer. Nothing here prints or exits by itself:
//! the binary lends a [`Console`] and takes the exit code. Exit codes are Vault's: 0 success, 1 a local
//! mistake, 2 the server refused or has nothing (for `status`: 2 sealed).
#![forbid(unsafe_code)]

mod api;
mod console;
mod data;
mod error;
mod flags;
mod output;
mod secret;
mod settings;
mod verbs;

pub use console::Console;
pub use error::Failure;

/// Runs a verb. `None` if there is no such verb.
pub fn run(arguments: &[String], console: &mut Console<'_>) -> Option<u8> {
    let (verb, rest) = verbs::find(arguments)?;
    Some(match (verb.run)(rest, console) {
        Ok(code) => code,
        Err(failure) => {
            console.complain(&failure.to_string());
            failure.exit_code()
        }
    })
}

/// Names and one-line descriptions of all verbs.
pub fn usage() -> String {
    verbs::usage()
}
