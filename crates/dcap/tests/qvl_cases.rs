//! The table of Intel's test cases names tests of ours: each must exist, so that the table cannot rot.

use std::{collections::BTreeSet, fs, path::Path};

const PAGE: &str = include_str!("../../../docs/reference/intel-qvl-cases.md");

/// What a row names: files, and tests in them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    files: Vec<String>,
    tests: Vec<(String, String)>,
}

/// Reads `` `file.rs` test_one, test_two (why); `other.rs` ``. A word with three parts or more, as
/// `one_two_three`, is a test of the file before it; what stands in brackets is explanation.
fn named(cell: &str) -> Named {
    let mut named = Named::default();
    let mut depth = 0_usize;
    let mut outside = String::new();
    for character in cell.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => outside.push(character),
            _ => {}
        }
    }
    for word in outside.split([' ', ',', ';']).filter(|word| !word.is_empty()) {
        if let Some(file) = word.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
            if file.ends_with(".rs") || file.ends_with("::tests") {
                named.files.push(file.to_owned());
            }
        } else if word.matches('_').count() >= 2
            && let Some(file) = named.files.last()
        {
            named.tests.push((file.clone(), word.to_owned()));
        }
    }
    named
}

/// The cells of every row: their case, ours.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let cells = |line: &'static str| {
        let (case, ours) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        (case != "case").then_some((case, ours))
    };
    PAGE.lines().filter_map(cells)
}

/// The source of a file as the table names it: a test of this crate, a path under `crates/`, or
/// `module::tests` for the unit tests of a module.
fn source(file: &str) -> Option<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = match file.strip_suffix("::tests") {
        Some(module) => crates.join("dcap/src").join(module).with_extension("rs"),
        None if file.contains('/') => crates.join(file),
        None => crates.join("dcap/tests").join(file),
    };
    fs::read_to_string(path).ok()
}

fn has_test(source: &str, name: &str) -> bool {
    source.contains(&format!("#[test]\nfn {name}()"))
        || source.contains(&format!("#[test]\n    fn {name}()"))
}

#[test]
fn every_named_test_exists() {
    let mut missing = BTreeSet::new();
    for (case, ours) in rows() {
        let named = named(ours);
        if !ours.starts_with("- ") && named.files.is_empty() {
            missing.insert(format!("{case}: names no test and gives no reason: {ours}"));
        }
        for file in &named.files {
            match source(file) {
                None => drop(missing.insert(format!("file {file}"))),
                Some(source) if file.ends_with("::tests") && !source.contains("#[test]") => {
                    missing.insert(format!("unit tests {file}"));
                }
                Some(_) => {}
            }
        }
        for (file, test) in &named.tests {
            if !source(file).is_some_and(|source| has_test(&source, test)) {
                missing.insert(format!("test {test} in {file}"));
            }
        }
    }
    assert!(missing.is_empty(), "the table names what is not there: {missing:#?}");
}

#[test]
fn the_counts_are_those_of_the_table() {
    let all = rows().count();
    let without = rows().filter(|(_, ours)| ours.starts_with("- ")).count();
    for count in [
        format!("has {all} GoogleTest cases"),
        format!("{} have one", all - without),
        format!("{without} do not"),
    ] {
        assert!(PAGE.contains(&count), "the page must say {count:?}");
    }
}

#[test]
fn rows_are_read() {
    let cell = "`a.rs` one_two_three (not_a_test), four_five_six; `b.rs`, text, names-and-more";
    let pair = |file: &str, test: &str| (file.to_owned(), test.to_owned());
    let expected = Named {
        files: vec!["a.rs".into(), "b.rs".into()],
        tests: vec![pair("a.rs", "one_two_three"), pair("a.rs", "four_five_six")],
    };
    assert_eq!(named(cell), expected);
    assert!(has_test("#[test]\nfn a_b_c() {}", "a_b_c") && !has_test("fn a_b_c() {}", "a_b_c"));
}
