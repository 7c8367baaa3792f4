//! Fuzzes `targets/image.rs`, which the tests of a crate run over the corpus as well.
#![no_main]

#[path = "../targets/image.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::run(bytes));
