//! CPUID, which an enclave cannot execute (SDM volume 3D, "Illegal Instructions").
//!
//! The host's answers are untrusted. Leaves that programs use are asked for once and cut to what this enclave
//! may use: a feature whose state XFRM lacks is hidden, as are FSGSBASE (GS belongs to the runtime), SGX itself
//! and protection keys. Save areas (leaf 0DH) follow XGETBV, which on hardware is XFRM and on the emulator is
//! what XSAVE really writes (ADR 0008). All other leaves are zero. What remains believed is the processor's name,
//! its caches and topology, and that features which need no state exist: a lie there makes a program
//! fault or run slower.

use alloc::collections::BTreeMap;

use enclave_abi::{bytes::u32_at, ocall::Ocall};
use enclave_rt::{
    context::{self, Context},
    host::Request,
    sync::Mutex,
};

/// EAX, EBX, ECX, EDX.
type Answer = [u32; 4];

const AVX: u64 = 1 << 2;
const AVX512: u64 = 7 << 5;
const AMX: u64 = 3 << 17;
/// Highest basic leaf answered.
const HIGHEST_BASIC: u32 = 0x1f;
/// Highest extended leaf answered.
const HIGHEST_EXTENDED: u32 = 0x8000_0008;

static KNOWN: Mutex<BTreeMap<(u32, u32), Answer>> = Mutex::new(BTreeMap::new());

/// Carries out CPUID for the context, RIP at the instruction.
pub(crate) fn execute(context: &mut Context) {
    let low = |register: u64| (register & 0xffff_ffff) as u32;
    let [eax, ebx, ecx, edx] = answer(low(context.rax), low(context.rcx)).map(u64::from);
    (context.rax, context.rbx, context.rcx, context.rdx) = (eax, ebx, ecx, edx);
    context.rip = context.rip.wrapping_add(2);
}

fn answer(leaf: u32, subleaf: u32) -> Answer {
    let key = (leaf, if has_subleaves(leaf) { subleaf } else { 0 });
    let known = KNOWN.lock().get(&key).copied();
    known.unwrap_or_else(|| {
        let answer = {
            let told = ask(leaf, subleaf);
            if leaf == 0xd {
                extended_state(subleaf, told, context::xcr0())
            } else {
                cut(leaf, subleaf, told, crate::rt::xfrm())
            }
        };
        KNOWN.lock().insert(key, answer);
        answer
    })
}

/// Where a component of the extended state lies in the standard layout. Intel's and AMD's processors differ, so the
/// host is asked; if components would overlap, the packed layout is used.
pub(crate) fn component_offset(number: u32) -> usize {
    let mask = enclave_rt::xstate::mask();
    let present = || [2, 5, 6, 7].into_iter().filter(|n| mask >> n & 1 == 1);
    let told = |n: u32| answer(0xd, n)[1];
    let apart = |n: u32, m: u32| {
        let ends_before = |a: u32, b: u32| told(a).saturating_add(component(a)) <= told(b);
        n == m || ends_before(n, m) || ends_before(m, n)
    };
    let sane = present().all(|n| (576..=4096).contains(&told(n)) && present().all(|m| apart(n, m)));
    let packed = 576 + present().take_while(|&n| n != number).map(component).sum::<u32>();
    usize::try_from(if sane { told(number) } else { packed }).unwrap_or(576)
}

fn has_subleaves(leaf: u32) -> bool {
    matches!(leaf, 4 | 7 | 0xb | 0xd | 0x1f)
}

fn ask(leaf: u32, subleaf: u32) -> Answer {
    if !matches!(leaf, 0..=2 | 4 | 7 | 0xb | 0xd | 0x15 | 0x16 | 0x1f | 0x8000_0000..=HIGHEST_EXTENDED)
        || subleaf > 63 && has_subleaves(leaf)
    {
        return [0; 4];
    }
    let request = Request::new(Ocall::Cpuid).value(leaf.into()).value(subleaf.into()).output(16);
    match request.send() {
        // Any answer will do: `cut` and `extended_state` take what could do harm.
        Ok(reply) => {
            let bytes = reply.output::<16>(2).any_will_do();
            [0, 4, 8, 12].map(|at| u32_at(&bytes, at).unwrap_or(0))
        }
        Err(error) => {
            crate::rt::host_errno(error);
            [0; 4]
        }
    }
}

/// Bits of features whose state `xfrm` lacks.
fn unless(xfrm: u64, state: u64, bits: u32) -> u32 {
    if xfrm & state == state { 0 } else { bits }
}

fn cut(leaf: u32, subleaf: u32, [eax, ebx, ecx, edx]: Answer, xfrm: u64) -> Answer {
    let without = |state, bits| unless(xfrm, state, bits);
    match leaf {
        0 => [eax.min(HIGHEST_BASIC), ebx, ecx, edx],
        // FMA, AVX, F16C.
        1 => [eax, ebx, ecx & !without(AVX, 1 << 12 | 1 << 28 | 1 << 29), edx],
        7 if subleaf == 0 => [
            eax,
            // FSGSBASE, SGX, MPX; AVX2; AVX-512 F DQ IFMA PF ER CD BW VL.
            ebx & !(1 << 0 | 1 << 2 | 1 << 14)
                & !without(AVX, 1 << 5)
                & !without(AVX512, 0xdc23_0000),
            // PKU, OSPKE, WAITPKG, shadow stacks, SGX_LC, PKS; VAES, VPCLMULQDQ; AVX-512 VBMI VBMI2 VNNI BITALG
            // VPOPCNTDQ.
            ecx & !(1 << 3 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 30 | 1 << 31)
                & !without(AVX, 1 << 9 | 1 << 10)
                & !without(AVX512, 1 << 1 | 1 << 6 | 1 << 11 | 1 << 12 | 1 << 14),
            // UINTR, branch tracking; AVX-512 4VNNIW 4FMAPS VP2INTERSECT FP16; AMX.
            edx & !(1 << 5 | 1 << 20)
                & !without(AVX512, 1 << 2 | 1 << 3 | 1 << 8 | 1 << 23)
                & !without(AMX, 1 << 22 | 1 << 24 | 1 << 25),
        ],
        7 => [
            // AVX-VNNI, AVX-IFMA; AVX-512 BF16; AMX-FP16.
            eax & !without(AVX, 1 << 4 | 1 << 23)
                & !without(AVX512, 1 << 5)
                & !without(AMX, 1 << 21),
            ebx,
            ecx,
            edx,
        ],
        0x8000_0000 => [eax.min(HIGHEST_EXTENDED), ebx, ecx, edx],
        _ => [eax, ebx, ecx, edx],
    }
}

/// Leaf 0DH for what XGETBV returns, and never an area smaller than its components.
fn extended_state(subleaf: u32, [eax, ebx, ecx, _edx]: Answer, xcr0: u64) -> Answer {
    let (low, high) = ((xcr0 & 0xffff_ffff) as u32, (xcr0 >> 32) as u32);
    match subleaf {
        0 => [low, ebx.max(least_area(xcr0)), ecx.max(least_area(xcr0)), high],
        // XSAVEOPT, XSAVEC and XGETBV with ECX 1; not XSAVES, which is the kernel's.
        1 => [eax & 7, ebx.max(least_area(xcr0)), 0, 0],
        n if n < 64 && xcr0 >> n & 1 == 1 => [eax.max(component(n)), ebx, ecx & 2, 0],
        _ => [0; 4],
    }
}

fn least_area(xcr0: u64) -> u32 {
    576 + (2..64).filter(|n| xcr0 >> n & 1 == 1).map(component).sum::<u32>()
}

/// Bytes of a state component (SDM volume 1, "XSAVE-managed state").
fn component(number: u32) -> u32 {
    match number {
        2 => 256,
        5 | 17 => 64,
        6 => 512,
        7 => 1024,
        9 => 8,
        18 => 8192,
        _ => 0,
    }
}

/// Whatever the host of this test says, no answer offers what the enclave must not use.
#[cfg(test)]
pub(crate) fn assert_harmless() {
    for (leaf, subleaf) in [(1, 0), (7, 0), (7, 1), (0xd, 0), (0xd, 1), (0xd, 9), (0x8000_0001, 0)]
    {
        let told = ask(leaf, subleaf);
        let [_, ebx, ecx, edx] = cut(leaf, subleaf, told, 3);
        match (leaf, subleaf) {
            (1, _) => assert_eq!(ecx & 1 << 28, 0, "AVX without its state"),
            (7, 0) => assert_eq!((ebx & 5, edx & 1 << 24), (0, 0), "FSGSBASE, SGX, AMX"),
            (0xd, 0) => assert!(extended_state(0, told, 7)[1] >= 832, "an area too small"),
            (0xd, 9) => assert_eq!(extended_state(9, told, 7), [0; 4], "state that is not there"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Answer = [u32::MAX; 4];

    #[test]
    fn features_without_state_are_hidden() {
        let [_, _, ecx, _] = cut(1, 0, ALL, 3);
        assert_eq!(ecx & (1 << 28 | 1 << 12), 0, "AVX and FMA");
        let [_, ebx, ecx, edx] = cut(7, 0, ALL, 7);
        assert_eq!(ebx & 1 << 5, 1 << 5, "AVX2 has its state");
        assert_eq!((ebx & 1 << 16, ecx & 1 << 11, edx & 1 << 24), (0, 0, 0), "AVX-512 and AMX");
    }

    #[test]
    fn sgx_fsgsbase_and_protection_keys_are_always_hidden() {
        let [_, ebx, ecx, _] = cut(7, 0, ALL, u64::MAX);
        assert_eq!((ebx & 5, ecx & 1 << 3, ecx & 1 << 30), (0, 0, 0));
    }

    #[test]
    fn the_host_cannot_shrink_the_save_area() {
        let [eax, ebx, ecx, _] = extended_state(0, [0xffff_ffff, 64, 64, 0], 0xe7);
        assert_eq!((eax, ebx, ecx), (0xe7, 2432, 2432));
        assert_eq!(extended_state(18, ALL, 0xe7), [0; 4]);
    }

    #[test]
    fn save_areas_follow_xgetbv_and_features_follow_xfrm() {
        // A machine whose XCR0 is wider than the enclave's XFRM, as the emulator has it (ADR 0008).
        let told = [0xe7, 2688, 2688, 0];
        assert_eq!(extended_state(0, told, 0xe7), told);
        assert_eq!(extended_state(2, [256, 576, 0, 0], 0xe7), [256, 576, 0, 0]);
        assert_eq!(cut(7, 0, ALL, 3)[1] & 1 << 5, 0, "AVX2 stays hidden");
    }
}
