//! HCL 1, the configuration language of Vault's policies and servers, and its JSON form, in one tree.
//!
//! The parser is total: any bytes give a tree or an [`Error`] with line and column. It nests at
//! most [`MAX_DEPTH`] deep. It deliberately evaluates nothing: `${...}` stays as it is written, and what keys
//! mean is the reader's business. HCL 2 is another language.
//!
//! ```
//! let body = hcl::parse(r#"path "secret/*" { capabilities = ["read"] }"#).unwrap();
//! let blocks = body.blocks("path").unwrap();
//! assert_eq!(blocks[0].labels, ["secret/*"]);
//! assert_eq!(blocks[0].body.attribute("capabilities").unwrap().as_texts().unwrap(), ["read"]);
//! ```
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

mod json;
mod lexer;
mod parser;
mod tree;

pub use tree::{Block, Body, Item, Value};

/// Objects and lists nest at most this deep.
pub const MAX_DEPTH: usize = 64;

/// Why a text is not HCL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct Error {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What was expected or found.
    pub what: String,
}

/// Parses HCL 1, or JSON if the first character that is not white space is `{`.
///
/// # Errors
/// With the place of the first mistake.
pub fn parse(text: &str) -> Result<Body, Error> {
    if text.trim_start().starts_with('{') { json::parse(text) } else { parser::parse(text) }
}

#[cfg(test)]
mod tests;
