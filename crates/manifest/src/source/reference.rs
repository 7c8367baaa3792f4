//! The reference page of the manifest, made from the table of keys.

use alloc::{
    format,
    string::{String, ToString as _},
};

use super::keys::{Default, Form, Key, SECTIONS, Section};

const HEAD: &str = "\
# The manifest

What an enclave runs, what it may see of its host, and how it is laid out: a TOML file. `casemate compile` freezes it; the
compiled form is measured, so it is part of MRENCLAVE ([format](../specs/compiled-manifest.md)). The
[guide](../guide/manifest.md) says how to write one.

This page is made from the table of keys in crate `manifest`; a test compares them. Every other key is an error.

Sizes are bytes, or strings with K, M, G or T (powers of 1024). In a pattern `*` stands for any run of bytes and `?` for one.
";

/// The page, Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    for section in SECTIONS {
        page.push_str(&format!("\n## {}\n\n{}\n\n", heading(section), section.doc));
        page.push_str("| key | value | if it is missing | meaning |\n|---|---|---|---|\n");
        for key in section.keys {
            page.push_str(&row(key));
        }
    }
    page
}

fn heading(section: &Section) -> String {
    match section.form {
        Form::Table | Form::Names => format!("`[{}]`", section.name),
        Form::Array => format!("`[[{}]]`", section.name),
    }
}

fn row(key: &Key) -> String {
    let default = match key.default {
        Default::Required => "an error".to_string(),
        Default::Value(text) => format!("`{text}`"),
        Default::Otherwise(words) => words.to_string(),
    };
    let only = if key.kinds.is_empty() {
        String::new()
    } else {
        format!("For {}. ", key.kinds.join(", "))
    };
    format!("| `{}` | {} | {default} | {only}{} |\n", key.name, key.value.name(), key.doc)
}
