//! Fuzzes `libos::fuzz::program`: the loader of the library OS.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| libos::fuzz::program(bytes));
