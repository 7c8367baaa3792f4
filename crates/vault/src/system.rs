//! The engine at `sys/`.

mod audit;
mod leases;
mod limits;
mod mounts;
mod policies;
mod rekey;
mod seal;
mod tools;
mod wrapping;

use std::sync::OnceLock;

use vault_sdk::Engine;
use vault_sdk::table::PathTable;

use crate::core::native::Native;

/// One request to `sys/`.
pub(crate) struct System(pub(crate) Native);

impl Engine for System {
    fn table() -> &'static PathTable<Self> {
        static TABLE: OnceLock<PathTable<System>> = OnceLock::new();
        TABLE.get_or_init(|| {
            let groups = [
                seal::paths(),
                rekey::paths(),
                audit::paths(),
                mounts::paths(),
                policies::paths(),
                leases::paths(),
                wrapping::paths(),
                limits::paths(),
                tools::paths(),
            ];
            PathTable::new(
                "The system backend: control, policy and debugging.",
                groups.into_iter().flatten().collect(),
            )
        })
    }
}
