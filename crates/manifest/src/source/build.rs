//! From values to meaning: what the keys say together.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use alloc::{
    collections::BTreeSet,
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::keys;
use super::mistake::Mistakes;
use super::read::{Document, Table, VariableValue, size};
use super::{FileRule, Source, What};
use crate::{Cwd, Enclave, EnvRule, EnvValue, InputKind, Pattern, Program};

/// XFRM bits every enclave has: X87 and SSE.
const XFRM_LEGACY: u64 = 0b11;
const PAGE: u64 = 4096;
const MODE_DIRECTORY: u32 = 0o755;
const MODE_TMPFS: u32 = 0o1777;

/// Builds the source; `None` when a section is missing, which `mistakes` then says.
pub(super) fn source(document: &Document, mistakes: &mut Mistakes) -> Option<Source> {
    let enclave = enclave(document.tables("enclave").next()?, mistakes)?;
    let program = program(document, mistakes)?;
    let files = document.tables("files").filter_map(|table| file(table, mistakes)).collect();
    check_twice(&files, mistakes);
    Some(Source { enclave, program, files })
}

fn enclave(table: &Table, mistakes: &mut Mistakes) -> Option<Enclave> {
    let (elrange_size, heap_initial) = (table.number("size")?, table.number("heap")?);
    if !elrange_size.is_power_of_two() {
        let found = size(elrange_size);
        let message = format!("enclave.size is {found}, expected a power of two such as 128G");
        mistakes.at(table.line_of("size"), message);
    }
    if !heap_initial.is_multiple_of(PAGE) {
        let message = format!("enclave.heap is {heap_initial}, expected a multiple of 4096");
        mistakes.at(table.line_of("heap"), message);
    }
    let named = |name: &String| keys::XFRM.iter().find(|(known, _)| known == name);
    let state = table.texts("xfrm").iter().filter_map(named).map(|(_, bits)| bits);
    Some(Enclave {
        elrange_size,
        heap_initial,
        threads: u32::try_from(table.number("threads")?).ok()?,
        edmm: table.bool("edmm"),
        debug: table.bool("debug"),
        dev: false,
        isvprodid: u16::try_from(table.number("isvprodid")?).ok()?,
        isvsvn: u16::try_from(table.number("isvsvn")?).ok()?,
        xfrm_max: state.fold(XFRM_LEGACY, |all, bits| all | bits),
    })
}

fn program(document: &Document, mistakes: &mut Mistakes) -> Option<Program> {
    let table = document.tables("program").next()?;
    let from_host = table.bool("cwd_from_host");
    if from_host && table.is_given("cwd") {
        let message = "program.cwd and program.cwd_from_host exclude each other";
        mistakes.at(table.line_of("cwd_from_host"), message);
    }
    let cwd = if from_host { Cwd::Host } else { Cwd::Fixed(table.text("cwd")?.into()) };
    let bytes = |texts: &[String]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    Some(Program {
        entrypoint: table.text("entrypoint")?.into(),
        args: bytes(table.texts("args")),
        host_args: patterns(table.texts("host_args")),
        env: env(document, mistakes),
        cwd,
    })
}

fn patterns(texts: &[String]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::new(text.as_bytes())).collect()
}

fn env(document: &Document, mistakes: &mut Mistakes) -> Vec<EnvRule> {
    let mut rules: Vec<EnvRule> = Vec::new();
    for variable in &document.env {
        let name = &variable.name;
        let is_pattern = name.contains(['*', '?']);
        let value = match &variable.value {
            VariableValue::Fixed(value) => {
                if is_pattern {
                    mistakes.at(
                        variable.line,
                        format!("env.{name} is a pattern with a fixed value; expected {{ host = \"pattern\" }}"),
                    );
                }
                EnvValue::Fixed(value.as_bytes().to_vec())
            }
            VariableValue::Host(pattern) => EnvValue::Host(Pattern::new(pattern.as_bytes())),
        };
        let text = match &variable.value {
            VariableValue::Fixed(text) | VariableValue::Host(text) => text,
        };
        if name.is_empty() || name.contains(['=', '\0']) || text.contains('\0') {
            let message = format!(
                "env.{name:?} cannot be a variable: its name is empty or holds =, or there is a NUL byte"
            );
            mistakes.at(variable.line, message);
        }
        rules.push(EnvRule { name: Pattern::new(name.as_bytes()), value });
    }
    rules.sort_by(|a, b| a.name.cmp(&b.name));
    rules
}

fn file(table: &Table, mistakes: &mut Mistakes) -> Option<FileRule> {
    let paths = table.texts("path").to_vec();
    let host = table.text("host").map(ToString::to_string);
    let first = paths.first()?;
    if host.is_some() && paths.len() > 1 {
        let message =
            format!("files.host is one path, files.path are {}; expected one", paths.len());
        mistakes.at(table.line_of("host"), message);
    }
    if host.as_deref() == Some("") {
        mistakes.at(table.line_of("host"), "files.host is empty");
    }
    for path in &paths {
        if let Some(owner) = owned(path) {
            let message = format!("files.path is {path:?}, but {owner} belongs to the library OS");
            mistakes.at(table.line_of("path"), message);
        }
    }
    let mode = table.number("mode").and_then(|mode| u32::try_from(mode).ok());
    let what = match table.text("kind")? {
        "trusted" => What::Trusted { mode, exclude: patterns(table.texts("exclude")) },
        "directory" => What::Directory { mode: mode.unwrap_or(MODE_DIRECTORY) },
        "symlink" => {
            What::Symlink { target: table.text("target").filter(|t| !t.is_empty())?.into() }
        }
        "tmpfs" => {
            What::Tmpfs { mode: mode.unwrap_or(MODE_TMPFS), size_max: table.number("size")? }
        }
        "passthrough" => What::Passthrough { writable: table.bool("writable") },
        _ => What::HostInput { input: input(table, first, mistakes)? },
    };
    Some(FileRule { line: table.line, paths, host, what })
}

/// The directories that the library OS makes itself.
fn owned(path: &str) -> Option<&'static str> {
    ["/dev", "/proc"].into_iter().find(|owned| {
        path.strip_prefix(owned).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn input(table: &Table, path: &str, mistakes: &mut Mistakes) -> Option<InputKind> {
    let named = table.text("input").and_then(InputKind::from_name);
    let found = named.or_else(|| InputKind::of_path(path));
    if found.is_none() && !table.is_given("input") {
        let message =
            format!("files.input is missing: {path:?} does not say what kind of input it is");
        mistakes.at(table.line, message);
    }
    found
}

fn check_twice(files: &Vec<FileRule>, mistakes: &mut Mistakes) {
    let mut seen = BTreeSet::new();
    for rule in files {
        for path in &rule.paths {
            if !seen.insert(path) {
                mistakes.at(rule.line, format!("files.path {path:?} was named before"));
            }
        }
    }
}
