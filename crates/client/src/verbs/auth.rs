//! `auth`: auth methods.

use super::Verb;
use super::mounts::{AUTH, disable, enable, list, relocate, tune};
use crate::{Console, Failure};

pub(super) const VERBS: &[Verb] = &[
    Verb { name: "auth list", help: "Lists auth methods.", run: list_auth },
    Verb { name: "auth enable", help: "Enables an auth method.", run: enable_auth },
    Verb {
        name: "auth disable",
        help: "Disables an auth method and ends its tokens.",
        run: disable_auth,
    },
    Verb { name: "auth tune", help: "Tunes an auth method.", run: tune_auth },
    Verb { name: "auth move", help: "Moves an auth method.", run: move_auth },
];

fn list_auth(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    list(arguments, console, AUTH)
}

fn enable_auth(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    enable(arguments, console, AUTH)
}

fn disable_auth(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    disable(arguments, console, AUTH)
}

fn tune_auth(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    tune(arguments, console, AUTH)
}

fn move_auth(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    relocate(arguments, console, AUTH, "auth/")
}
