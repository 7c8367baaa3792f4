//! SGX and TDX quotes and their collateral: parse and verify, purely.
#![forbid(unsafe_code)]
