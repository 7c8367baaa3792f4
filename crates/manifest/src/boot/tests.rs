use super::*;
use crate::compiled::tests::example;

fn strings(list: &[&str]) -> Vec<Vec<u8>> {
    list.iter().map(|s| s.as_bytes().to_vec()).collect()
}

#[test]
fn fixed_arguments_come_before_those_of_the_host() {
    let got = example().resolve(&strings(&["sh", "-c", "echo hi"]), &[], b"/").unwrap();
    assert_eq!(got.args, strings(&["sh", "-e", "-c", "echo hi"]));
    assert_eq!(got.cwd, b"/tmp");
    assert_eq!(example().resolve(&[], &[], b"/").unwrap().args, strings(&["/bin/sh", "-e"]));
}

#[test]
fn an_argument_or_program_not_allowed_is_refused() {
    let refused = example().resolve(&strings(&["sh", "-c", "rm -rf /"]), &[], b"/");
    assert_eq!(refused, Err(Refused::Argument { index: 2 }));
    let other = example().resolve(&strings(&["/usr/bin/sh"]), &[], b"/");
    assert!(matches!(other, Err(Refused::Program { .. })));
}

#[test]
fn the_environment_holds_fixed_values_and_allowed_ones() {
    let host = strings(&["PATH=/evil", "LC_ALL=C", "LD_PRELOAD=x", "LC_ALL=twice", "=", "LC_"]);
    let got = example().resolve(&[], &host, b"/").unwrap();
    assert_eq!(got.env, strings(&["PATH=/bin", "LC_ALL=C"]));
}

#[test]
fn a_working_directory_of_the_host_must_be_canonical() {
    let mut manifest = example();
    manifest.program.cwd = Cwd::Host;
    assert_eq!(manifest.resolve(&[], &[], b"/srv").unwrap().cwd, b"/srv");
    let refused = manifest.resolve(&[], &[], b"/srv/..");
    assert_eq!(refused, Err(Refused::Cwd { found: b"/srv/..".to_vec() }));
}
