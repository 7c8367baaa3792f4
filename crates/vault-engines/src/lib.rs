//! Secrets engines and auth methods.
//!
//! Each module is one engine: a table of paths, and one function per operation. Engines know
//! [`vault_sdk`] only; the server's core mounts them by [`make`].
#![forbid(unsafe_code)]

mod approle;
mod cubbyhole;
mod jwt;
mod kubernetes;
mod kv;
mod page;
mod token_params;
mod userpass;

#[cfg(test)]
mod testing;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use approle::AppRole;
pub use cubbyhole::Cubbyhole;
pub use jwt::Jwt;
pub use kubernetes::Kubernetes;
pub use kv::{Kv1, Kv2};
pub use userpass::UserPass;
use vault_sdk::{Backend, Error, MountClass};

/// Types of engines that can be mounted, with the class of each.
pub const KINDS: &[(&str, MountClass)] = &[
    ("kv", MountClass::Secret),
    ("kv-v2", MountClass::Secret),
    ("generic", MountClass::Secret),
    ("cubbyhole", MountClass::Secret),
    ("userpass", MountClass::Auth),
    ("approle", MountClass::Auth),
    ("jwt", MountClass::Auth),
    ("kubernetes", MountClass::Auth),
];

/// Makes an engine of a type, with the options of its mount.
///
/// # Errors
/// If there is no such type in the class, or an option is wrong.
pub fn make(
    class: MountClass,
    kind: &str,
    options: &BTreeMap<String, String>,
) -> Result<Arc<dyn Backend>, Error> {
    let version = options.get("version").map_or("", String::as_str);
    Ok(match (class, kind, version) {
        (MountClass::Secret, "kv", "" | "1") | (MountClass::Secret, "generic", _) => Arc::new(Kv1),
        (MountClass::Secret, "kv", "2") | (MountClass::Secret, "kv-v2", "" | "2") => Arc::new(Kv2),
        (MountClass::Secret, "kv" | "kv-v2", other) => {
            return Err(Error::Invalid(format!(
                "kv has version 1 and version 2, found version {other:?}"
            )));
        }
        (MountClass::Secret, "cubbyhole", _) => Arc::new(Cubbyhole),
        (MountClass::Auth, "userpass", _) => Arc::new(UserPass),
        (MountClass::Auth, "approle", _) => Arc::new(AppRole),
        (MountClass::Auth, "jwt", _) => Arc::new(Jwt),
        (MountClass::Auth, "kubernetes", _) => Arc::new(Kubernetes),
        (MountClass::Secret, other, _) => {
            return Err(Error::Invalid(format!("unknown secrets engine type {other:?}")));
        }
        (MountClass::Auth, other, _) => {
            return Err(Error::Invalid(format!("unknown auth method type {other:?}")));
        }
    })
}
