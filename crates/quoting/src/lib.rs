//! The emulator's quoting service: emulated PKI, ECDSA quotes and collateral.
#![forbid(unsafe_code)]
