//! The page of reasons is generated from the table of reasons, and codes are unique and well formed.

use std::{collections::BTreeSet, fs, path::Path};

use dcap::{Blame, Reason};

fn page() -> String {
    let mut page = String::from(
        "# Why evidence or collateral is refused\n\n\
         Every refusal of the verifier has one of these codes. Codes are stable: programs may branch on them. The group is \
         the blame: who has to act.\n\n\
         This page is generated from `crates/dcap/src/reason.rs` (`UPDATE_EXPECT=1 cargo test -p dcap --test reasons`).\n",
    );
    for (blame, title) in [
        (Blame::Malformed, "Malformed: whoever made or carried the bytes"),
        (Blame::Untrusted, "Untrusted: whoever sent the evidence, or the platform's owner"),
        (Blame::Stale, "Stale: whoever supplies collateral, or the clock"),
        (Blame::Unavailable, "Unavailable: whoever supplies collateral"),
        (Blame::Bug, "Bug: us"),
    ] {
        page += &format!("\n## {title}\n\n| code | cause | what to do |\n|---|---|---|\n");
        for reason in Reason::ALL.iter().filter(|reason| reason.blame() == blame) {
            page +=
                &format!("| `{}` | {} | {} |\n", reason.code(), reason.cause(), reason.action());
        }
    }
    page
}

#[test]
fn the_page_is_up_to_date() {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/attestation-reasons.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&file, page()).expect("the page can be written");
    }
    let written = fs::read_to_string(&file).expect("the page is in the repository");
    assert!(written == page(), "run UPDATE_EXPECT=1 cargo test -p dcap --test reasons");
}

#[test]
fn codes_are_unique_and_well_formed() {
    let mut seen = BTreeSet::new();
    for reason in Reason::ALL {
        let code = reason.code();
        assert!(seen.insert(code), "{code} is there twice");
        let plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'.'
        };
        assert!(code.bytes().all(plain), "{code}");
        for sentence in [reason.cause(), reason.action()] {
            assert!(sentence.ends_with('.') && !sentence.contains('|'), "{code}: {sentence}");
        }
    }
}
