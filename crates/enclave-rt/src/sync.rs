//! Locks of the library OS: held for a few instructions, never across an ocall or an access to
//! application memory.

pub use spin::{Mutex, MutexGuard, Once, RwLock};
