//! `casemate-server`: the secrets server and the verbs of Vault's client in one binary. Under the name
//! `vault` it is the same.
#![forbid(unsafe_code)]

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use client::Console;
use server::options::Options;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    match arguments.split_first() {
        Some((verb, rest)) if verb == "server" => serve(rest),
        Some((verb, _)) if ["version", "-version", "--version", "-v"].contains(&verb.as_str()) => {
            version()
        }
        _ => {
            let is_terminal = out.is_terminal();
            let mut input = std::io::stdin();
            let mut console =
                Console { out: &mut out, err: &mut err, input: &mut input, is_terminal };
            match client::run(&arguments, &mut console) {
                Some(code) => ExitCode::from(code),
                None => usage(arguments.first().map(String::as_str)),
            }
        }
    }
}

/// Exit code 127 for a verb that is not there, as Vault; 0 for a call for help.
fn usage(verb: Option<&str>) -> ExitCode {
    let asked = matches!(verb, Some("help" | "-h" | "-help" | "--help"));
    let text = format!(
        "Usage: casemate-server <verb> [flags] [arguments]\n\nVerbs:\n    {:<28}{}\n    {:<28}{}\n{}",
        "server",
        "Starts the server: -dev, or -config=FILE.",
        "version",
        "Prints the version.",
        client::usage()
    );
    let _ = std::io::stderr().write_all(text.as_bytes());
    if asked { ExitCode::SUCCESS } else { ExitCode::from(127) }
}

fn serve(arguments: &[String]) -> ExitCode {
    let mut console = std::io::stderr();
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(text) => {
            let _ = writeln!(console, "{text}");
            return ExitCode::FAILURE;
        }
    };
    match server::run::server(&options, &mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(console, "Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn version() -> ExitCode {
    let speaks = vault::Settings::default();
    let text = format!(
        "Vault v{} (casemate {}), built {}\n",
        speaks.version,
        env!("CARGO_PKG_VERSION"),
        speaks.build_date
    );
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
