//! The source form of a manifest: the TOML file a user writes.
//!
//! [`keys`] is the one table of everything that may stand in it; reading (`read`), the meaning
//! (`build`) and the reference page ([`reference()`]) follow it. A key that is not in the table is a
//! [`Mistake`] with a suggestion; all mistakes of a file are found in one go, each with its line.
//!
//! Reading a source touches no file. What a rule about host files means is only known once they
//! have been hashed, which the command line does.

mod build;
pub mod keys;
mod mistake;
mod read;
mod reference;

use alloc::{string::String, vec::Vec};

use crate::{Enclave, InputKind, Pattern, Program};

pub use mistake::{Mistake, Mistakes};
pub use reference::reference;

/// A manifest as its user wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Layout and identity.
    pub enclave: Enclave,
    /// What runs.
    pub program: Program,
    /// What the program sees as files, in the order of the text.
    pub files: Vec<FileRule>,
}

/// One `[[files]]` of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRule {
    /// The line it starts at.
    pub line: usize,
    /// Canonical paths inside the enclave; several only where the host's paths are the same.
    pub paths: Vec<String>,
    /// Path on the host, if it is another; a relative one starts at the manifest's directory.
    pub host: Option<String>,
    /// What is at the path.
    pub what: What,
}

/// What a rule puts at its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Host files that are measured: one, or all below a directory.
    Trusted {
        /// Permission bits; by default 0755 for what its owner may execute, else 0644.
        mode: Option<u32>,
        /// Paths inside that are left out.
        exclude: Vec<Pattern>,
    },
    /// An empty directory, or one that holds what other rules put below it.
    Directory {
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link.
    Symlink {
        /// What it points to.
        target: String,
    },
    /// A file system in enclave memory.
    Tmpfs {
        /// Permission bits of its root.
        mode: u32,
        /// Most bytes its files may hold.
        size_max: u64,
    },
    /// A host file or directory, unprotected.
    Passthrough {
        /// Whether it may be written.
        writable: bool,
    },
    /// Something a container expects from outside.
    HostInput {
        /// What it must look like.
        input: InputKind,
    },
}

impl Source {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Mistakes`]: everything that is wrong with the text, each with its line. No input panics.
    pub fn parse(text: &str) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::new(text);
        let document = read::document(text, &mut mistakes);
        let source = document.and_then(|document| build::source(&document, &mut mistakes));
        match source {
            Some(source) if mistakes.is_empty() => Ok(source),
            _ => Err(mistakes),
        }
    }
}

#[cfg(test)]
mod tests;
