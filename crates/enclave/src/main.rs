//! The enclave image.

fn main() {}
