//! SGX structures, leaf numbers and measurement, as Intel SDM volume 3D defines them.
#![no_std]
#![forbid(unsafe_code)]
