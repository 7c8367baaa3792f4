//! The enclave image: links the runtime and the library OS. Built only by `cargo xtask image`.
#![cfg_attr(casemate_image, no_std, no_main)]
#![cfg_attr(
    casemate_image,
    allow(unsafe_code, reason = "the exported symbol that names the library OS to the runtime")
)]

#[cfg(casemate_image)]
mod probe {
    extern crate alloc;
    use enclave_rt::{
        context::Context,
        kernel::{Exception, Kernel},
    };
    pub struct Probe;
    impl Kernel for Probe {
        fn start(
            &self,
            boot: enclave_abi::boot::Boot,
            layout: &enclave_abi::layout::Layout,
            manifest: &'static [u8],
        ) -> Context {
            enclave_rt::host::log(
                enclave_rt::host::Level::Info,
                &alloc::format!(
                    "hello from the enclave {:x} {} {:?}",
                    layout.elrange_size,
                    manifest.len(),
                    boot
                ),
            );
            enclave_rt::host::exit_process(7)
        }
        fn start_thread(&self, _: u64) -> Context {
            Context::default()
        }
        fn syscall(&self, _: &mut Context) {}
        fn exception(&self, _: &mut Context, _: Exception) {}
        fn event(&self, _: &mut Context) {}
    }
}
#[cfg(casemate_image)]
enclave_rt::kernel_of_the_image!(&probe::Probe);

#[cfg(not(casemate_image))]
fn main() {}
