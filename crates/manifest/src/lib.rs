//! The enclave manifest: parse, resolve, compile, explain.
#![forbid(unsafe_code)]
