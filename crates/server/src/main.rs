//! `casemate-server`: the secrets server and the verbs of Vault's client in one binary. Under the name
//! `vault` it is the same.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

use server::options::Options;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((verb, rest)) if verb == "server" => serve(rest),
        Some((verb, _)) if ["version", "-version", "--version", "-v"].contains(&verb.as_str()) => {
            version()
        }
        _ => {
            let mut console = std::io::stderr().lock();
            let _ = writeln!(console, "Usage: casemate-server server -dev | server -config=FILE");
            ExitCode::from(127)
        }
    }
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
