//! The few instructions that need assembly.

mod x86_64;

pub(crate) use x86_64::{FloatControl, VdsoCall, casemate_host_call_vdso};
