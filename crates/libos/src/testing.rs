//! Fake hosts and address spaces for the unit tests.

use std::sync::{Arc, Mutex};

use enclave_rt::testing::{Call, Machine};

use crate::vm::{
    area::{Label, Prot},
    map::{Placement, Request},
    space::AddressSpace,
};

/// A machine on thread 0 whose host answers with `host`; clocks always work.
pub(crate) fn host(mut host: impl FnMut(&mut Call<'_>) -> i64 + Send + 'static) -> Arc<Machine> {
    let machine = Machine::new(move |call| match (call.number, call.detail) {
        (1, 228) => clock(call),
        _ => host(call),
    });
    machine.install(0);
    machine
}

/// The host's clock: a second later at every look.
fn clock(call: &mut Call<'_>) -> i64 {
    static SECONDS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1000);
    let now = SECONDS.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    let out = call.bytes(call.args[1], 16);
    out[..8].copy_from_slice(&now.to_le_bytes());
    out[8..].fill(0);
    0
}

/// A host that knows nothing but the time.
pub(crate) fn quiet() -> Arc<Machine> {
    host(|_| -38)
}

/// A host with one file, whatever path is opened.
pub(crate) fn host_file(content: Vec<u8>) -> Arc<Machine> {
    let content = Arc::new(Mutex::new(content));
    host(serve(content))
}

/// Gives the host of a machine another file.
pub(crate) fn replace_host_file(machine: &Arc<Machine>, content: Vec<u8>) {
    machine.set_host(serve(Arc::new(Mutex::new(content))));
}

fn serve(content: Arc<Mutex<Vec<u8>>>) -> impl FnMut(&mut Call<'_>) -> i64 + Send + 'static {
    move |call| match call.detail {
        257 => 7,
        3 => 0,
        17 => {
            let content = content.lock().unwrap();
            let from = usize::try_from(call.args[3]).unwrap().min(content.len());
            let n = usize::try_from(call.args[2]).unwrap().min(content.len() - from);
            call.bytes(call.args[1], n).copy_from_slice(&content[from..from + n]);
            i64::try_from(n).unwrap()
        }
        228 => clock(call),
        _ => -38,
    }
}

/// An address space with readable and writable areas: start and length of each.
pub(crate) fn space(areas: &[(u64, u64)]) -> AddressSpace {
    let mut space = AddressSpace::new(0x2_0000..0x10_0000_0000, true);
    for &(addr, length) in areas {
        let request = Request {
            addr,
            length,
            prot: Prot::READ_WRITE,
            placement: Placement::Replace,
            shared: false,
            label: Label::None,
            file: None,
            lazy: true,
            populate: false,
        };
        space.mmap(request).unwrap();
    }
    space
}
