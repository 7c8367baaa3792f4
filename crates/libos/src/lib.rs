//! Linux in safe Rust: the library OS that a program in the enclave calls.
//!
//! It runs on [`enclave_rt`], which hands it every system call, exception and event of the application
//! ([`kernel::LibOs`] implements `enclave_rt::kernel::Kernel`). Memory, threads, signals, pipes, time, `/proc`
//! and tmpfs are answered inside; host files and sockets go out through `host`, where every answer is judged.
//! It is not a security boundary between the application's own threads, and it does not schedule: a thread is
//! a thread block of the enclave with a host thread of its own.
//!
//! Where to look: [`table`](syscall::table) names every system call and how far it goes, one file per family
//! below `syscall`; `vm`, `fs`, `io`, `net`, `signal` and `process` hold the objects calls work on.
//!
//! INVARIANT: application memory is reached by byte copies through `user::UserMem` alone; nothing the host
//! returns is used as a length, address or descriptor before it is checked.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod cpuid;
mod errno;
mod fs;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod host;
mod io;
pub mod kernel;
mod linux;
mod loader;
mod log;
mod net;
mod process;
mod rewrite;
mod rt;
mod signal;
mod sync;
pub mod syscall;
mod system;
#[cfg(test)]
mod testing;
mod tick;
mod time;
mod timer;
mod user;
mod vdso;
mod vm;
mod wait;

pub use errno::Errno;
pub use kernel::LibOs;
