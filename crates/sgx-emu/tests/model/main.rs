//! The model of the SGX ISA against the SDM's pseudocode: for every check of every leaf a case that
//! violates just it, and properties over random sequences of leaves.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod bench;
mod driver;
mod eaccept;
mod eacceptcopy;
mod eadd;
mod eaug;
mod eblock;
mod ecreate;
mod eextend;
mod einit;
mod emodpe;
mod emodpr;
mod emodt;
mod entry;
mod eremove;
mod etrack;
mod fidelity;
mod invariants;
mod keys;
mod platform;
mod report;
mod vectors;
