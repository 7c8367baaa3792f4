//! Wires the engines into the core.

use vault::Engines;

/// Every engine that can be mounted.
#[must_use]
pub fn all() -> Engines {
    let mut engines = Engines::default();
    for (kind, class) in vault_engines::KINDS {
        engines.add(*class, kind, move |options| vault_engines::make(*class, kind, options).ok());
    }
    engines
}
