//! Fuzzes `dcap::fuzz::signed_json`: no input may panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dcap::fuzz::signed_json(bytes));
