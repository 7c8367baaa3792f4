//! Properties that hold after every leaf of a random sequence.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use sgx_emu::model::{Access, Entry, Fidelity, LeafResult, PageRun, TcsState};
use sgx_types::{Mrenclave, PageType, SecInfo, SecInfoFlags, Sigstruct, SsaGpr, Tcs};

use crate::bench::{
    AEP, Bench, CODE, DATA, FREE, PAGE, READ_ONLY, RW, SECINFO, SIZE, SSA, TCS, XCR0, allow_all,
    built, created_with, fill, put, reg, secinfo, secs, signed, sigstruct_for, tcs,
};

/// One step: a leaf, or something enclave code does between leaves.
#[derive(Clone, Copy, Debug)]
enum Step {
    Eadd(u64, SecInfo),
    Eextend(u64),
    Einit,
    Eaug(u64),
    EaugRun(u64, u64),
    Eblock(u64),
    Emodpr(u64, SecInfoFlags),
    Emodt(u64, PageType),
    Etrack,
    Interrupt,
    Eremove(u64),
    EremoveRun(u64, u64),
    /// EACCEPT with the SECINFO that the EPCM would match.
    AcceptAsIs(u64),
    Eaccept(u64, SecInfo),
    Eacceptcopy(u64, u64, SecInfoFlags),
    Emodpe(u64, SecInfoFlags),
    Eenter(u64),
    Eexit(u64),
    Aex(u64),
    Eresume(u64),
    /// Enclave code writes a TCS image to a page it can write.
    WriteTcs(u64),
}

const OTHER_TCS: u64 = FREE;

fn page() -> impl Strategy<Value = u64> {
    let pages = vec![
        TCS,
        SSA,
        SSA + 3 * PAGE,
        READ_ONLY,
        CODE,
        OTHER_TCS,
        FREE + PAGE,
        FREE + 2 * PAGE,
        SIZE - PAGE,
    ];
    prop_oneof![20 => select(pages), 1 => Just(SIZE), 1 => Just(FREE + 8)]
}

fn thread() -> impl Strategy<Value = u64> {
    prop_oneof![6 => Just(TCS), 2 => Just(OTHER_TCS), 1 => Just(CODE)]
}

fn permissions() -> impl Strategy<Value = SecInfoFlags> {
    (0u64..8).prop_map(SecInfoFlags::from_bits)
}

fn page_type() -> impl Strategy<Value = PageType> {
    select(vec![PageType::Reg, PageType::Tcs, PageType::Trim, PageType::Trim, PageType::Secs])
}

fn any_secinfo() -> impl Strategy<Value = SecInfo> {
    let flags = (0u64..64).prop_map(SecInfoFlags::from_bits);
    (page_type(), flags).prop_map(|(page_type, flags)| secinfo(page_type, flags))
}

fn added() -> impl Strategy<Value = SecInfo> {
    prop_oneof![4 => permissions().prop_map(reg), 1 => Just(SecInfo::tcs()), 1 => any_secinfo()]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (page(), added()).prop_map(|(at, info)| Step::Eadd(at, info)),
        1 => page().prop_map(Step::Eextend),
        2 => Just(Step::Einit),
        3 => page().prop_map(Step::Eaug),
        1 => (page(), 1u64..80).prop_map(|(at, pages)| Step::EaugRun(at, pages)),
        1 => page().prop_map(Step::Eblock),
        3 => (page(), permissions()).prop_map(|(at, flags)| Step::Emodpr(at, flags)),
        4 => (page(), page_type()).prop_map(|(at, page_type)| Step::Emodt(at, page_type)),
        3 => Just(Step::Etrack),
        2 => Just(Step::Interrupt),
        2 => page().prop_map(Step::Eremove),
        1 => (page(), 1u64..80).prop_map(|(at, pages)| Step::EremoveRun(at, pages)),
        8 => page().prop_map(Step::AcceptAsIs),
        2 => (page(), any_secinfo()).prop_map(|(at, info)| Step::Eaccept(at, info)),
        2 => (page(), page(), permissions()).prop_map(|(a, b, p)| Step::Eacceptcopy(a, b, p)),
        3 => (page(), permissions()).prop_map(|(at, flags)| Step::Emodpe(at, flags)),
        5 => thread().prop_map(Step::Eenter),
        2 => thread().prop_map(Step::Eexit),
        4 => thread().prop_map(Step::Aex),
        3 => thread().prop_map(Step::Eresume),
        2 => page().prop_map(Step::WriteTcs),
    ]
}

/// The SIGSTRUCT of the small enclave.
static SIGSTRUCT: LazyLock<[u8; Sigstruct::SIZE]> =
    LazyLock::new(|| signed(&sigstruct_for(&built())).to_bytes());

fn apply(enclave: &mut Bench, step: Step) -> LeafResult {
    let with_operand = |enclave: &mut Bench, info: SecInfo| {
        if enclave.memory().access(SECINFO).writable() {
            put(enclave, SECINFO, &info.to_bytes());
        }
    };
    match step {
        Step::Eadd(at, info) => enclave.eadd(at, &info, &tcs().to_bytes()),
        Step::Eextend(at) => enclave.eextend(at),
        Step::Einit => enclave.einit(&SIGSTRUCT, &allow_all()),
        Step::Eaug(at) => enclave.eaug(at),
        Step::EaugRun(start, pages) => enclave.eaug_run(PageRun { start, pages }).1,
        Step::Eblock(at) => enclave.eblock(at),
        Step::Emodpr(at, flags) => enclave.emodpr(at, &SecInfo { flags }),
        Step::Emodt(at, page_type) => enclave.emodt(at, &secinfo(page_type, SecInfoFlags::empty())),
        Step::Etrack => enclave.etrack(),
        Step::Interrupt => {
            enclave.interrupt_all_threads();
            Ok(())
        }
        Step::Eremove(at) => enclave.eremove(at),
        Step::EremoveRun(start, pages) => enclave.eremove_run(PageRun { start, pages }).1,
        Step::AcceptAsIs(at) => {
            let info = enclave.entry(at).map_or_else(SecInfo::default, matching);
            with_operand(enclave, info);
            enclave.eaccept(SECINFO, at)
        }
        Step::Eaccept(at, info) => {
            with_operand(enclave, info);
            enclave.eaccept(SECINFO, at)
        }
        Step::Eacceptcopy(at, from, flags) => {
            with_operand(enclave, reg(flags));
            enclave.eacceptcopy(SECINFO, at, from)
        }
        Step::Emodpe(at, flags) => {
            with_operand(enclave, reg(flags));
            enclave.emodpe(SECINFO, at)
        }
        Step::Eenter(tcs) => enclave.eenter(tcs, AEP, XCR0).map(|_| ()),
        Step::Eexit(tcs) => enclave.eexit(tcs, 0).map(|_| ()),
        Step::Aex(tcs) => {
            let exit = enclave.aex(tcs)?;
            put(enclave, exit.ssa.gpr, &SsaGpr { rip: CODE, ..SsaGpr::default() }.to_bytes());
            Ok(())
        }
        Step::Eresume(tcs) => enclave.eresume(tcs, AEP, XCR0).map(|_| ()),
        Step::WriteTcs(at) => {
            if enclave.memory().access(at).writable() {
                let image = Tcs { nssa: 2, ossa: SSA, ..tcs() }.to_bytes();
                put(enclave, at & !0xfff, &image);
            }
            Ok(())
        }
    }
}

/// The SECINFO that describes a page as it is.
fn matching(entry: &Entry) -> SecInfo {
    let bit = |on, flag| if on { flag } else { SecInfoFlags::empty() };
    let flags = SecInfoFlags::from_bits(entry.permissions.bits().into())
        | bit(entry.pending, SecInfoFlags::PENDING)
        | bit(entry.modified, SecInfoFlags::MODIFIED)
        | bit(entry.restricted, SecInfoFlags::PR);
    secinfo(entry.page_type, flags)
}

/// What a leaf may change.
#[derive(Clone, Debug, PartialEq)]
struct Snapshot {
    entries: Vec<(u64, Entry)>,
    tcss: Vec<TcsState>,
    measurement: Mrenclave,
    secs: sgx_types::Secs,
    threads: u32,
}

fn snapshot(enclave: &Bench) -> Snapshot {
    Snapshot {
        entries: enclave.entries().map(|(at, entry)| (at, *entry)).collect(),
        tcss: enclave.tcss().collect(),
        measurement: enclave.measurement(),
        secs: *enclave.secs(),
        threads: enclave.threads_inside(),
    }
}

fn check_access(enclave: &Bench) {
    for at in (0..SIZE).step_by(4096) {
        let access = enclave.memory().access(at);
        let Some(entry) = enclave.entry(at) else {
            assert_eq!(access, Access::NONE, "absent page {at:#x}");
            assert!(!enclave.memory().has_contents(at), "absent page {at:#x} has contents");
            continue;
        };
        let waits = entry.modified || entry.blocked || entry.pending;
        let hidden = waits || entry.page_type != PageType::Reg;
        let relaxed = enclave.fidelity() == Fidelity::Relaxed && entry.pending && !entry.blocked;
        if relaxed {
            assert!(Access::RW.contains(access), "pending page {at:#x}");
        } else if hidden {
            assert_eq!(access, Access::NONE, "page {at:#x}: {entry:?}");
        } else {
            assert_eq!(access, entry.permissions, "page {at:#x}: {entry:?}");
        }
    }
}

fn check_threads(enclave: &Bench) {
    let mut active = 0;
    for tcs in enclave.tcss() {
        assert!(tcs.fields.cssa <= tcs.fields.nssa, "{tcs:?}");
        assert!(!tcs.is_active() || tcs.fields.cssa < tcs.fields.nssa, "{tcs:?}");
        let entry = enclave.entry(tcs.linaddr).expect("a TCS is a valid page");
        assert!(matches!(entry.page_type, PageType::Tcs | PageType::Trim), "{entry:?}");
        active += u32::from(tcs.is_active());
    }
    assert_eq!(enclave.threads_inside(), active);
    for (at, entry) in enclave.entries() {
        if entry.page_type == PageType::Tcs && !entry.modified {
            assert!(enclave.tcs(at).is_some(), "TCS {at:#x} without a state");
        }
    }
}

fn check_change(step: Step, result: LeafResult, before: &Snapshot, enclave: &Bench) {
    let after = snapshot(enclave);
    let runs = matches!(step, Step::EaugRun(..) | Step::EremoveRun(..));
    if result.is_err() && !runs {
        assert_eq!(after, *before, "{step:?} failed and changed something");
    }
    if enclave.is_initialized() && before.secs.mrenclave != Mrenclave::default() {
        assert_eq!(after.secs, before.secs, "{step:?} changed the identity");
    }
    if !matches!(step, Step::Eadd(..) | Step::Eextend(_)) {
        assert_eq!(after.measurement, before.measurement, "{step:?} measured");
    }
    let may_grow = matches!(step, Step::Emodpe(..) | Step::Eacceptcopy(..));
    for (at, old) in &before.entries {
        let Some(new) = enclave.entry(*at) else {
            assert!(matches!(step, Step::Eremove(_) | Step::EremoveRun(..)), "{step:?}");
            continue;
        };
        let shrunk = old.permissions.contains(new.permissions);
        assert!(may_grow || shrunk, "{step:?}: {old:?} to {new:?}");
        assert!(!old.blocked || new.blocked, "{step:?} unblocked a page");
        let accepted = matches!(step, Step::AcceptAsIs(_) | Step::Eaccept(..));
        assert!(!old.modified || new.modified || accepted, "{step:?}");
    }
    assert_eq!(enclave.valid_pages(), after.entries.len() as u64);
    assert!(after.entries.iter().all(|(at, _)| enclave.in_elrange(*at)));
}

fn start(fidelity: Fidelity, initialized: bool) -> Bench {
    let mut enclave = created_with(&secs(), fidelity);
    fill(&mut enclave, &tcs());
    if initialized {
        enclave.einit(&SIGSTRUCT, &allow_all()).unwrap();
    }
    enclave
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..80)
}

proptest! {
    #[test]
    fn invariants_hold_after_every_leaf(
        steps in steps(),
        initialized in prop::bool::weighted(0.8),
        relaxed: bool,
    ) {
        let fidelity = if relaxed { Fidelity::Relaxed } else { Fidelity::Strict };
        let mut enclave = start(fidelity, initialized);
        for step in steps {
            let before = snapshot(&enclave);
            let result = apply(&mut enclave, step);
            check_change(step, result, &before, &enclave);
            check_access(&enclave);
            check_threads(&enclave);
        }
    }

    /// Both fidelities give the same outcomes and the same EPCM.
    #[test]
    fn fidelities_agree_on_everything_but_access(steps in steps()) {
        let mut strict = start(Fidelity::Strict, true);
        let mut relaxed = start(Fidelity::Relaxed, true);
        for step in steps {
            // What enclave code can write to a pending page is the one difference.
            if let Step::WriteTcs(at) = step && strict.entry(at).is_some_and(|e| e.pending) {
                continue;
            }
            assert_eq!(apply(&mut strict, step), apply(&mut relaxed, step), "{step:?}");
            let infos = |enclave: &Bench| {
                enclave.entries().map(|(at, e)| (at, matching(e), e.blocked)).collect::<Vec<_>>()
            };
            assert_eq!(infos(&strict), infos(&relaxed), "{step:?}");
        }
    }

    /// Every leaf is total over its operands: it returns, whatever the addresses.
    #[test]
    fn any_operands_are_answered(
        leaf in select(vec![0u32, 1, 5, 6, 7]),
        rbx: u64, rcx: u64, rdx: u64, aligned: bool, request: [u8; 32],
    ) {
        let mut enclave = start(Fidelity::Strict, true);
        put(&mut enclave, DATA, &request);
        let near = |address: u64| if aligned { DATA + (address & 0x2e00) } else { address };
        let leaf = sgx_types::Enclu::from_number(leaf).unwrap();
        let platform = crate::bench::platform(1);
        let operands = [near(rbx), near(rcx), near(rdx)];
        let before = snapshot(&enclave);
        if enclave.enclu(leaf, &platform, operands).is_err() {
            assert_eq!(snapshot(&enclave), before);
        }
        let _ = (enclave.eenter(rbx, rcx, XCR0), enclave.eresume(rbx, rcx, XCR0));
        let _ = (enclave.eexit(rbx, rcx), enclave.aex(rbx));
        let _ = (enclave.eaug(rbx), enclave.eblock(rbx), enclave.eremove(rbx));
        let _ = enclave.emodpr(rbx, &SecInfo { flags: RW });
    }
}
