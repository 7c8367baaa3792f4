//! The enclave manifest: what one enclave runs, what it may see of its host, and how it is laid out.
//!
//! Two forms. The *source* is the TOML file a user writes (module `source`, feature `toml`, host
//! only). The *compiled* form, [`Compiled`], is the small binary that the enclave carries and that
//! EEXTEND measures; `docs/specs/compiled-manifest.md` is its specification. Freezing the one into
//! the other (hashing files) needs I/O and therefore lives in the command line.
//!
//! Key types: [`Compiled`] with its [`FileMap`], [`Resolved`] (what is left of the host's arguments
//! and environment once the manifest has judged them), [`Tree`] (the Merkle tree of a trusted file).
//!
//! INVARIANT: decoding is total and canonical: no input panics, and whatever decodes encodes to the
//! same bytes. Nothing here reads a file, a clock or an environment variable.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "toml"))]
extern crate std;

mod boot;
mod codec;
mod compiled;
mod files;
mod path;
mod pattern;
#[cfg(feature = "toml")]
pub mod source;
mod tree;

pub use boot::{Refused, Resolved};
pub use codec::Malformed;
pub use compiled::{Compiled, Cwd, Enclave, EnvRule, EnvValue, Program};
pub use files::{Entry, FileMap, Found, InputKind, Kind, OutOfOrder};
pub use path::is_canonical as is_canonical_path;
pub use pattern::Pattern;
pub use tree::{Hash, LEAF_SIZE, Tree, TreeMismatch};
