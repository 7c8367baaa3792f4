//! Key and value: secrets as they are written.

mod metadata;
mod v1;
mod v2;

pub use v1::Kv1;
pub use v2::Kv2;

use vault_sdk::Error;

/// A path that names one secret.
fn secret_path(path: &str) -> Result<&str, Error> {
    if path.is_empty() || path.ends_with('/') {
        return Err(Error::invalid(
            "the path of a secret is not empty and does not end in a slash",
        ));
    }
    Ok(path)
}
