//! Enclave runtime: entry, exceptions, ocalls, memory copies, EREPORT and EGETKEY behind a safe API.
#![no_std]
#![allow(unsafe_code, reason = "one of the three crates that may hold unsafe code; see ARCHITECTURE.md")]
