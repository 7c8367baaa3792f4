//! Loads enclaves and serves their ocalls; the Platform seam with hardware and emulator behind it.
#![allow(unsafe_code, reason = "one of the three crates that may hold unsafe code; see ARCHITECTURE.md")]
