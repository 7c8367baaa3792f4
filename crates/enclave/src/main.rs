//! The enclave image: links the runtime and the library OS. Built only by `cargo xtask image`.
#![cfg_attr(casemate_image, no_std, no_main)]
#![cfg_attr(
    casemate_image,
    allow(unsafe_code, reason = "the exported symbol that names the library OS to the runtime")
)]

#[cfg(casemate_image)]
enclave_rt::kernel_of_the_image!(&libos::LibOs::new());

#[cfg(not(casemate_image))]
fn main() {}
