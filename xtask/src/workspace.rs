//! The workspace as the tasks see it: its root directory.

use std::path::Path;

/// The directory of the root `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the xtask crate is a folder of the workspace root")
}
