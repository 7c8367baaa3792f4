use alloc::{string::ToString as _, vec::Vec};
use std::{string::String, vec};

use super::keys::{Default, SECTIONS};
use super::*;
use crate::{Cwd, EnvValue};

const SMALL: &str = "[program]\nentrypoint = \"/bin/x\"\n";

fn mistakes(text: &str) -> Vec<(usize, String)> {
    let mistakes = Source::parse(text).expect_err("expected mistakes");
    mistakes.iter().map(|mistake| (mistake.line, mistake.message.clone())).collect()
}

/// Asserts that the text, after [`SMALL`], has exactly one mistake, on line `line` of its own.
fn refused(text: &str, line: usize, message: &str) {
    let found = mistakes(&[SMALL, text].concat());
    assert_eq!(found, [(line + 2, message.to_string())], "{text}");
}

#[test]
fn a_small_manifest_has_the_documented_defaults() {
    let source = Source::parse(SMALL).unwrap();
    assert_eq!(source.enclave.elrange_size, 128 << 30);
    assert_eq!((source.enclave.threads, source.enclave.heap_initial), (32, 2 << 20));
    assert!(source.enclave.edmm && !source.enclave.debug && !source.enclave.dev);
    assert_eq!(source.enclave.xfrm_max, 0b11 | 0b100 | 0xe0 | 0x6_0000);
    assert_eq!(source.program.entrypoint, b"/bin/x");
    assert_eq!(source.program.cwd, Cwd::Fixed(b"/".to_vec()));
    assert!(source.program.host_args.is_empty() && source.files.is_empty());
}

#[test]
fn every_key_is_read() {
    let source = Source::parse(
        r#"
[enclave]
size = "256G"
threads = 4
heap = 4194304
edmm = false
debug = true
isvprodid = 7
isvsvn = 3
xfrm = ["avx"]

[program]
entrypoint = "/bin/sh"
args = ["-e"]
host_args = ["-c", "echo *"]
cwd_from_host = true

[env]
PATH = "/bin"
"LC_*" = { host = "C*" }

[[files]]
path = "/bin/sh"
host = "bin/busybox"
mode = 0o555
exclude = ["*.pyc"]

[[files]]
path = ["/lib", "/usr"]

[[files]]
path = "/empty"
kind = "directory"
mode = 0o700

[[files]]
path = "/sbin"
kind = "symlink"
target = "bin"

[[files]]
path = "/tmp"
kind = "tmpfs"
size = "16M"

[[files]]
path = "/data"
kind = "passthrough"
writable = true

[[files]]
path = "/etc/hosts"
kind = "input"

[[files]]
path = "/etc/app"
kind = "input"
input = "config-map"
"#,
    )
    .unwrap();
    let enclave = source.enclave;
    assert_eq!((enclave.elrange_size, enclave.threads), (256 << 30, 4));
    assert_eq!((enclave.heap_initial, enclave.xfrm_max), (4 << 20, 7));
    assert_eq!((enclave.isvprodid, enclave.isvsvn), (7, 3));
    assert!(!enclave.edmm && enclave.debug);
    assert_eq!(source.program.args, [b"-e".to_vec()]);
    assert!(source.program.host_args[1].matches(b"echo hi"));
    assert_eq!(source.program.cwd, Cwd::Host);
    assert_eq!(source.program.env.len(), 2);
    assert_eq!(source.program.env[1].value, EnvValue::Fixed(b"/bin".to_vec()));
    let what: Vec<What> = source.files.iter().map(|rule| rule.what.clone()).collect();
    assert_eq!(
        what,
        [
            What::Trusted { mode: Some(0o555), exclude: vec![Pattern::new("*.pyc")] },
            What::Trusted { mode: None, exclude: vec![] },
            What::Directory { mode: 0o700 },
            What::Symlink { target: "bin".into() },
            What::Tmpfs { mode: 0o1777, size_max: 16 << 20 },
            What::Passthrough { writable: true },
            What::HostInput { input: InputKind::Hosts },
            What::HostInput { input: InputKind::ConfigMap },
        ]
    );
    assert_eq!(source.files[0].host.as_deref(), Some("bin/busybox"));
    assert_eq!((source.files[1].paths.len(), source.files[1].line), (2, 28));
}

#[test]
fn unknown_keys_are_refused_with_what_was_meant() {
    refused("[enclave]\nsice = 1\n", 2, "enclave.sice is no key of a manifest; did you mean size?");
    refused("[enclav]\n", 1, "enclav is no section of a manifest; did you mean enclave?");
    refused(
        "[[files]]\npath = \"/a\"\nwritabel = true\n",
        3,
        "files.writabel is no key of a manifest; did you mean writable?",
    );
    refused(
        "[network]\n",
        1,
        "network is no section of a manifest; expected one of enclave, program, env, files",
    );
    let found = mistakes("entrypoint = \"/bin/x\"\n");
    assert_eq!(found[0], (1, "entrypoint stands outside its section [program]".into()));
}

#[test]
fn values_of_another_type_or_out_of_range_are_refused_by_line() {
    refused(
        "[enclave]\nthreads = \"4\"\n",
        2,
        "enclave.threads is a string, expected a number from 1 to 224",
    );
    refused("[enclave]\nthreads = 300\n", 2, "enclave.threads is 300, expected from 1 to 224");
    refused(
        "[enclave]\nthreads = -1\n",
        2,
        "enclave.threads is the number -1, expected a number from 0 to 18446744073709551615",
    );
    refused("[enclave]\nsize = \"1G\"\n", 2, "enclave.size is 1G, expected from 64G to 16T");
    refused(
        "[enclave]\nsize = \"96G\"\n",
        2,
        "enclave.size is 96G, expected a power of two such as 128G",
    );
    refused(
        "[enclave]\nsize = \"big\"\n",
        2,
        "enclave.size is \"big\", expected bytes such as 4096, \"64M\" or \"128G\"",
    );
    refused(
        "[enclave]\nheap = 1048577\n",
        2,
        "enclave.heap is 1048577, expected a multiple of 4096",
    );
    refused("[enclave]\nedmm = 1\n", 2, "enclave.edmm is the number 1, expected true or false");
    refused(
        "[enclave]\nxfrm = [\"avx\", \"avx51\"]\n",
        2,
        "enclave.xfrm is \"avx51\"; did you mean avx512?",
    );
    refused(
        "[[files]]\npath = \"/a\"\nmode = 755\n",
        3,
        "files.mode is 755, expected a mode in octal, such as 0o755",
    );
    refused(
        "[[files]]\npath = \"a\"\n",
        2,
        "files.path is \"a\", expected an absolute path without empty, . and .. components and without a slash at its end",
    );
    refused(
        "[env]\nA = 1\n",
        2,
        "env.A is the number 1, expected a string or { host = \"pattern\" }",
    );
    refused(
        "[env]\n\"A*\" = \"1\"\n",
        2,
        "env.A* is a pattern with a fixed value; expected { host = \"pattern\" }",
    );
    refused(
        "[files]\npath = \"/a\"\n",
        1,
        "files is a table, expected tables, each written [[files]]",
    );
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    refused(
        "[[files]]\npath = \"/a\"\nkind = \"truste\"\n",
        3,
        "files.kind is \"truste\"; did you mean trusted?",
    );
    refused(
        "[[files]]\npath = \"/a\"\nsize = \"1M\"\n",
        3,
        "files.size is for kind tmpfs, this is kind trusted",
    );
    refused(
        "[[files]]\npath = \"/a\"\nkind = \"symlink\"\n",
        1,
        "files.target is missing: What the link points to",
    );
    refused(
        "[[files]]\npath = \"/proc/self\"\n",
        2,
        "files.path is \"/proc/self\", but /proc belongs to the library OS",
    );
    refused(
        "[[files]]\npath = \"/a\"\n[[files]]\npath = \"/a\"\n",
        3,
        "files.path \"/a\" was named before",
    );
    refused(
        "[[files]]\npath = [\"/a\", \"/b\"]\nhost = \"c\"\n",
        3,
        "files.host is one path, files.path are 2; expected one",
    );
    refused(
        "[[files]]\npath = \"/a\"\nkind = \"input\"\n",
        1,
        "files.input is missing: \"/a\" does not say what kind of input it is",
    );
    let both = "[program]\nentrypoint = \"/x\"\ncwd = \"/\"\ncwd_from_host = true\n";
    assert_eq!(
        mistakes(both),
        [(4, "program.cwd and program.cwd_from_host exclude each other".into())]
    );
}

#[test]
fn all_mistakes_come_at_once_and_in_order() {
    let found = mistakes("[enclave]\nthreads = 0\nheep = 1\n");
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [1, 2, 3]);
    assert!(found[0].1.starts_with("program.entrypoint is missing"), "{found:?}");
    assert_eq!(mistakes("[enclave\n")[0].0, 1);
}

#[test]
fn every_default_in_the_table_is_a_value_of_its_type() {
    for section in SECTIONS {
        for key in section.keys {
            if let Default::Value(text) = key.default {
                assert!(read::default_value(key, text).is_some(), "{}.{}", section.name, key.name);
            }
        }
    }
}

#[test]
fn the_words_of_the_table_are_those_of_the_code() {
    let inputs = SECTIONS[3].key("input").unwrap().value;
    let keys::Type::Choice(words) = inputs else { panic!("{inputs:?}") };
    assert_eq!(words, InputKind::ALL.map(|(_, name)| name));
}

#[test]
fn the_reference_page_is_the_one_in_the_documents() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/manifest.md");
    if std::env::var_os("CASEMATE_UPDATE").is_some() {
        std::fs::write(path, reference()).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert!(page == reference(), "run: CASEMATE_UPDATE=1 cargo test -p manifest --all-features");
}

mod properties {
    use proptest::prelude::*;

    use super::super::*;

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}") {
            let _ = Source::parse(&text);
        }

        #[test]
        fn no_value_panics(key in "[a-z_]{1,10}", value in "[-0-9a-zA-Z\"\\[\\]{}=. ]{0,20}") {
            for section in ["enclave", "program", "env", "[files]"] {
                let _ = Source::parse(&alloc::format!("[{section}]\n{key} = {value}\n"));
            }
        }
    }
}
