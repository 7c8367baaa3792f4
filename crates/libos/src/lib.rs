//! Linux in safe Rust: system calls, processes, memory, files, signals, time.
#![no_std]
#![forbid(unsafe_code)]
