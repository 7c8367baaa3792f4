//! Fuzzes `dcap::fuzz::certificates`: no input may panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dcap::fuzz::certificates(bytes));
