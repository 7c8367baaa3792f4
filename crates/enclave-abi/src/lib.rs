//! Entry, exit, ocall and layout formats shared by enclave and host.
#![no_std]
#![forbid(unsafe_code)]
