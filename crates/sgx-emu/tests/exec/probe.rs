//! The small enclave of `probe.S`, laid out and started.
//!
//! ```text
//! 0x40_0000 code r-x    0x50_0000 data rw-, 8 pages    0x60_0000 TCS
//! 0x60_1000 SSA, two frames of four pages              0x60_9000 thread control block rw-
//! ```

use std::{
    fs,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crypto::rsa3072::PrivateKey;
use sgx_emu::{
    exec::{AttachedThread, EmulatedEnclave, Left, Options, Strict, processor_of_this_machine},
    model::{Processor, encls::LaunchControl, platform::Platform},
};
use sgx_types::{
    AttributeFlags, Attributes, CetAttributes, Measurement, Miscselect, SecInfo, SecInfoFlags,
    Secs, Sigstruct, Tcs, signing,
};

pub(crate) const CODE: u64 = 0x40_0000;
pub(crate) const DATA: u64 = 0x50_0000;
pub(crate) const TCS: u64 = 0x60_0000;
pub(crate) const SSA: u64 = 0x60_1000;
pub(crate) const TCB: u64 = 0x60_9000;
pub(crate) const SIZE: u64 = 1 << 36;
pub(crate) const EENTER: u32 = 2;
pub(crate) const ERESUME: u32 = 3;

pub(crate) const ADD: u64 = 0;
pub(crate) const LEAF: u64 = 1;
pub(crate) const STORM: u64 = 2;
pub(crate) const FAULT: u64 = 3;
pub(crate) const SYSCALL: u64 = 4;
pub(crate) const CPUID: u64 = 5;
pub(crate) const SPIN: u64 = 6;
pub(crate) const TOUCH: u64 = 7;
pub(crate) const STORM_SYSCALL: u64 = 9;
pub(crate) const RELAY: u64 = 11;

std::arch::global_asm!(
    include_str!("probe.S"),
    DATA = const DATA,
    SSA = const SSA,
    TCB = const TCB,
);

unsafe extern "C" {
    fn probe_start();
    fn probe_site_exit();
    fn probe_site_leaf();
    fn probe_end();
}

fn offset(label: unsafe extern "C" fn()) -> u64 {
    label as usize as u64 - probe_start as *const () as u64
}

/// A running probe, and the lock on the address space.
pub(crate) struct Probe {
    pub(crate) enclave: EmulatedEnclave,
    pub(crate) processor: Processor,
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

pub(crate) struct Page {
    pub(crate) address: u64,
    pub(crate) secinfo: SecInfo,
    pub(crate) bytes: Box<[u8; 4096]>,
}

fn pages() -> Vec<Page> {
    let rw = SecInfo::reg(SecInfoFlags::R.union(SecInfoFlags::W));
    let rx = SecInfo::reg(SecInfoFlags::R.union(SecInfoFlags::X));
    let page = |address, secinfo| Page { address, secinfo, bytes: Box::new([0; 4096]) };
    let mut code = page(CODE, rx);
    let len = offset(probe_end) as usize;
    // SAFETY: the probe's code lies between its two labels.
    let text = unsafe { std::slice::from_raw_parts(probe_start as *const u8, len) };
    code.bytes[..len].copy_from_slice(text);
    let mut tcs = page(TCS, SecInfo::tcs());
    *tcs.bytes = Tcs {
        ossa: SSA,
        nssa: 2,
        oentry: CODE,
        ofsbase: TCB,
        ogsbase: TCB,
        fslimit: 0xfff,
        gslimit: 0xfff,
        ..Tcs::default()
    }
    .to_bytes();
    let mut all = vec![code, tcs, page(TCB, rw)];
    all.extend((0..8).map(|i| page(DATA + i * 4096, rw)));
    all.extend((0..8).map(|i| page(SSA + i * 4096, rw)));
    all
}

impl Probe {
    pub(crate) fn start(options: Options) -> Self {
        Self::start_with_sites(options, true)
    }

    pub(crate) fn start_with_sites(options: Options, patched: bool) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let processor = processor_of_this_machine().unwrap();
        let secs = Secs {
            size: SIZE,
            ssaframesize: 4,
            miscselect: Miscselect::EXINFO,
            attributes: Attributes { flags: AttributeFlags::MODE64BIT, xfrm: processor.xfrm },
            ..Secs::ZERO
        };
        let platform = Arc::new(Platform::generate("test", |bytes| bytes.fill(7)));
        let mut enclave = EmulatedEnclave::create(platform, &processor, &secs, options).unwrap();
        let mut measurement = Measurement::ecreate(4, SIZE);
        for page in pages() {
            enclave.add_page(page.address, &page.secinfo, &page.bytes, true).unwrap();
            measurement.page(page.address, &page.secinfo, &page.bytes);
        }
        let sigstruct = Sigstruct {
            attributes: secs.attributes,
            attributemask: Attributes::from_bits(u64::MAX, u64::MAX),
            miscselect: secs.miscselect,
            miscmask: Miscselect::from_bits(u32::MAX),
            cet_attributes_mask: CetAttributes::from_bits(u8::MAX),
            enclavehash: measurement.finish(),
            isvsvn: 5,
            ..Sigstruct::default()
        };
        let signed = signing::sign(&sigstruct, &key(), &mut crypto::os_rng()).unwrap();
        let sites = [CODE + offset(probe_site_exit), CODE + offset(probe_site_leaf)];
        let sites = if patched { &sites[..] } else { &[] };
        enclave.init(&signed.to_bytes(), &LaunchControl::default(), sites).unwrap();
        if options.strict == Strict::Off {
            enclave.map_everything().unwrap();
        }
        Self { enclave, processor, _alone: alone }
    }

    pub(crate) fn attach(&self) -> AttachedThread {
        self.enclave.attach_thread().unwrap()
    }

    /// Enters once.
    pub(crate) fn enter(&self, function: u32, registers: [u64; 3]) -> Left {
        // SAFETY: the probe touches nothing outside ELRANGE unless a test wants it to fault.
        unsafe { self.enclave.enter(TCS, function, registers) }
    }

    /// Enters and expects an exit; returns RDI.
    pub(crate) fn call(&self, registers: [u64; 3]) -> u64 {
        match self.enter(EENTER, registers) {
            Left::Exit([rdi, ..]) => rdi,
            other => panic!("expected an exit, found {other:x?}"),
        }
    }

    /// Writes enclave data while no thread is inside; not in strict mode.
    pub(crate) fn poke(&self, at: u64, value: u64) {
        // SAFETY: the data pages are mapped read-write and no reference to them exists.
        unsafe { std::ptr::with_exposed_provenance_mut::<u64>(at as usize).write_volatile(value) };
    }

    pub(crate) fn peek(&self, at: u64) -> u64 {
        // SAFETY: as for `poke`.
        unsafe { std::ptr::with_exposed_provenance::<u64>(at as usize).read_volatile() }
    }
}

fn key() -> PrivateKey {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/sgx/measurement-vectors/sig1.key.pem");
    PrivateKey::from_pem(&fs::read_to_string(path).unwrap()).unwrap()
}
