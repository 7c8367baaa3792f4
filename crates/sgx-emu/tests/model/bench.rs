//! A small enclave to try leaves on.
//!
//! ```text
//! 0x10000 TCS    0x20000 SSA, two frames of four pages    0x30000 rw-, operands
//! 0x31000 r--    0x32000 r-x                              the rest absent, to 0x100000
//! ```

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use crypto::rsa3072::PrivateKey;
use sgx_emu::model::encls::{AllowedSigners, LaunchControl};
use sgx_emu::model::platform::Platform;
use sgx_emu::model::{
    Enclave, EpcMemory as _, Fidelity, LeafError, LeafResult, Processor, TableMemory, XsaveLayout,
};
use sgx_types::{
    AttributeFlags, Attributes, Miscselect, PageType, SecInfo, SecInfoFlags, Secs, SgxError,
    Sigstruct, Tcs, Xfrm, signing,
};

pub(crate) const SIZE: u64 = 0x10_0000;
pub(crate) const TCS: u64 = 0x1_0000;
pub(crate) const SSA: u64 = 0x2_0000;
pub(crate) const DATA: u64 = 0x3_0000;
pub(crate) const READ_ONLY: u64 = 0x3_1000;
pub(crate) const CODE: u64 = 0x3_2000;
/// An absent page.
pub(crate) const FREE: u64 = 0x4_0000;
pub(crate) const PAGE: u64 = 0x1000;
/// Where the SECINFO operand goes.
pub(crate) const SECINFO: u64 = DATA;
pub(crate) const AEP: u64 = 0x7000_0000_0000;
pub(crate) const XCR0: Xfrm = Xfrm::from_bits(0xe7);

pub(crate) type Bench = Enclave<TableMemory>;

pub(crate) fn processor() -> Processor {
    Processor::new(XCR0, XsaveLayout::INTEL)
}

pub(crate) fn secs() -> Secs {
    Secs {
        size: SIZE,
        ssaframesize: 4,
        miscselect: Miscselect::EXINFO,
        attributes: Attributes::from_bits(AttributeFlags::MODE64BIT.bits(), 7),
        ..Secs::default()
    }
}

pub(crate) fn tcs() -> Tcs {
    Tcs { ossa: SSA, nssa: 2, oentry: CODE, ofsbase: DATA, ogsbase: DATA, ..Tcs::default() }
}

pub(crate) fn created_with(secs: &Secs, fidelity: Fidelity) -> Bench {
    Enclave::ecreate(secs, &processor(), fidelity, TableMemory::default()).unwrap()
}

/// An enclave after ECREATE.
pub(crate) fn created() -> Bench {
    created_with(&secs(), Fidelity::Strict)
}

pub(crate) fn reg(permissions: SecInfoFlags) -> SecInfo {
    SecInfo::reg(permissions)
}

pub(crate) const R: SecInfoFlags = SecInfoFlags::R;
pub(crate) const RW: SecInfoFlags = SecInfoFlags::R.union(SecInfoFlags::W);
pub(crate) const RX: SecInfoFlags = SecInfoFlags::R.union(SecInfoFlags::X);

/// Adds the pages of the small enclave.
pub(crate) fn fill(enclave: &mut Bench, tcs: &Tcs) {
    enclave.eadd(TCS, &SecInfo::tcs(), &tcs.to_bytes()).unwrap();
    for page in 0..8 {
        enclave.eadd(SSA + page * PAGE, &reg(RW), &[0; 4096]).unwrap();
    }
    enclave.eadd(DATA, &reg(RW), &[0; 4096]).unwrap();
    enclave.eadd(READ_ONLY, &reg(R), &[0xaa; 4096]).unwrap();
    enclave.eadd(CODE, &reg(RX), &[0xcc; 4096]).unwrap();
    for offset in (0..PAGE).step_by(256) {
        enclave.eextend(CODE + offset).unwrap();
    }
}

/// The small enclave before EINIT.
pub(crate) fn built() -> Bench {
    let mut enclave = created();
    fill(&mut enclave, &tcs());
    enclave
}

/// The small enclave after EINIT.
pub(crate) fn initialized() -> Bench {
    initialized_with(&secs(), Fidelity::Strict, |_| {})
}

/// The small enclave after EINIT with this SECS and a changed SIGSTRUCT.
pub(crate) fn initialized_with(
    secs: &Secs,
    fidelity: Fidelity,
    change: impl FnOnce(&mut Sigstruct),
) -> Bench {
    let mut enclave = created_with(secs, fidelity);
    fill(&mut enclave, &tcs());
    let mut sigstruct = sigstruct_for(&enclave);
    change(&mut sigstruct);
    enclave.einit(&signed(&sigstruct).to_bytes(), &allow_all()).unwrap();
    enclave
}

pub(crate) fn allow_all() -> LaunchControl {
    LaunchControl {
        launch: AllowedSigners::Any,
        provisionkey: AllowedSigners::Any,
        einittokenkey: AllowedSigners::Any,
    }
}

/// A SIGSTRUCT, not signed, that demands exactly this enclave.
pub(crate) fn sigstruct_for(enclave: &Bench) -> Sigstruct {
    let secs = enclave.secs();
    Sigstruct {
        attributes: secs.attributes,
        attributemask: Attributes::from_bits(u64::MAX, u64::MAX),
        miscselect: secs.miscselect,
        miscmask: Miscselect::from_bits(u32::MAX),
        enclavehash: enclave.measurement(),
        isvprodid: 7,
        isvsvn: 5,
        ..Sigstruct::default()
    }
}

/// The key is the published one of the measurement vectors.
static KEY: LazyLock<PrivateKey> =
    LazyLock::new(|| PrivateKey::from_pem(&vector_text("sig1.key.pem")).unwrap());

pub(crate) fn signed(sigstruct: &Sigstruct) -> Sigstruct {
    signed_by(&KEY, sigstruct)
}

pub(crate) fn signed_by(key: &PrivateKey, sigstruct: &Sigstruct) -> Sigstruct {
    signing::sign(sigstruct, key, &mut crypto::os_rng()).unwrap()
}

pub(crate) fn vector_path(file: &str) -> PathBuf {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/sgx/measurement-vectors");
    PathBuf::from(tests).join(file)
}

fn vector_text(file: &str) -> String {
    fs::read_to_string(vector_path(file)).unwrap()
}

/// A platform whose secrets are this byte.
pub(crate) fn platform(seed: u8) -> Platform {
    Platform::generate("test", |bytes| bytes.fill(seed))
}

pub(crate) fn secinfo(page_type: PageType, flags: SecInfoFlags) -> SecInfo {
    SecInfo { flags: flags.with_page_type(page_type) }
}

/// Writes an operand as enclave code would have.
pub(crate) fn put(enclave: &mut Bench, linaddr: u64, bytes: &[u8]) {
    enclave.memory_mut().write(linaddr, bytes).unwrap();
}

pub(crate) fn take<const N: usize>(enclave: &Bench, linaddr: u64) -> [u8; N] {
    let mut bytes = [0; N];
    enclave.memory().read(linaddr, &mut bytes).unwrap();
    bytes
}

/// EACCEPT with this SECINFO.
pub(crate) fn accept(enclave: &mut Bench, info: SecInfo, linaddr: u64) -> LeafResult {
    put(enclave, SECINFO, &info.to_bytes());
    enclave.eaccept(SECINFO, linaddr)
}

/// The SECINFO that accepts an augmented page.
pub(crate) fn pending() -> SecInfo {
    secinfo(PageType::Reg, RW | SecInfoFlags::PENDING)
}

/// Augments and accepts a page.
pub(crate) fn add(enclave: &mut Bench, linaddr: u64) {
    enclave.eaug(linaddr).unwrap();
    accept(enclave, pending(), linaddr).unwrap();
}

pub(crate) const GP: LeafResult = Err(LeafError::GP);

pub(crate) const fn pf(linaddr: u64) -> LeafResult {
    Err(LeafError::pf(linaddr))
}

pub(crate) const fn code(code: SgxError) -> LeafResult {
    Err(LeafError::Code(code))
}

/// A SECINFO image with one byte of the reserved part set.
pub(crate) fn with_reserved(info: SecInfo) -> [u8; 64] {
    let mut image = info.to_bytes();
    image[63] = 1;
    image
}
