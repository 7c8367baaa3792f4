//! Which sites are rewritten, and what they become.

use super::{
    functions::Functions,
    plan::{Plan, sites_of},
    *,
};

const BASE: u64 = 0x1000;
const SYSCALL: [u8; 2] = [0x0f, 0x05];
const RET: u8 = 0xc3;

/// One function at [`BASE`] made of these parts.
fn function(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn sites(code: &[u8]) -> Vec<Site> {
    let all = BASE..BASE + code.len() as u64;
    sites_of(code, BASE, &Functions::at(&[all]))
}

/// The only site of a function, placed at `at`, with its trampoline at `trampoline`.
fn placed(code: &[u8], at: u64, trampoline: u64) -> Patch {
    let [site] = &sites(code)[..] else { panic!("one site expected, found {:x?}", sites(code)) };
    Sites(vec![(at, site.clone())]).patch(trampoline)
}

const MOV_39: [u8; 5] = [0xb8, 39, 0, 0, 0];
const XOR_EAX: [u8; 2] = [0x31, 0xc0];

#[test]
fn a_mov_becomes_a_jump_and_runs_in_the_trampoline() {
    let code = function(&[&[0x90], &MOV_39, &SYSCALL, &[RET]]);
    let patch = placed(&code, 0x7000_0001, 0x6fff_0000);
    assert_eq!(patch.jumps, [(0x7000_0001, [0xe9, 0xfa, 0xff, 0xfe, 0xff])]);
    let expected = [&MOV_39[..], &enclave_rt::fast::call(0x7000_0008)].concat();
    assert_eq!(patch.trampolines, expected);
}

#[test]
fn operands_and_conditions_keep_their_targets() {
    // glibc's read: cmpb $0, 0x100(%rip); je +1; xor %eax,%eax; syscall.
    let cmp = [0x80, 0x3d, 0, 1, 0, 0, 0];
    let code = function(&[&cmp, &[0x74, 0x05], &XOR_EAX, &SYSCALL, &[RET, RET, 0x90, RET]]);
    let (at, to) = (0x50_0000_u64, 0x40_0000_u64);
    let patch = placed(&code, at, to);
    let there = &patch.trampolines;
    let word =
        |from: usize| i64::from(i32::from_le_bytes(there[from..from + 4].try_into().unwrap()));
    assert_eq!((to + 7).wrapping_add_signed(word(2)), at + 7 + 0x100, "the operand");
    assert_eq!(there[7..9], [0x0f, 0x84], "je, with a longer distance");
    assert_eq!((to + 13).wrapping_add_signed(word(9)), at + 9 + 5, "its target");
    assert_eq!(there[13..15], XOR_EAX);
}

#[test]
fn what_is_an_interface_or_in_doubt_is_left_to_the_trap() {
    let sigreturn = [0x48, 0xc7, 0xc0, 15, 0, 0, 0];
    let call = [0xe8, 0, 0, 0, 0];
    let jump_inside = [0x75, 0xfc]; // to the syscall's neighbour before it
    let cases: [(&str, Vec<u8>); 6] = [
        ("rt_sigreturn", function(&[&sigreturn, &SYSCALL])),
        ("no room", function(&[&XOR_EAX, &SYSCALL])),
        ("a call directly before", function(&[&MOV_39, &call, &SYSCALL])),
        ("an unknown instruction before", function(&[&[0xc5, 0xf8, 0x77], &MOV_39, &SYSCALL])),
        ("bytes of another instruction", function(&[&[0xb8, 0x0f, 0x05, 0, 0], &[RET]])),
        (
            "a jump between the moved instructions",
            function(&[&XOR_EAX, &[0x48, 0x89, 0xf8], &SYSCALL, &[0x75, 0xf9], &jump_inside]),
        ),
    ];
    for (what, code) in cases {
        assert_eq!(sites(&code), [], "{what}");
    }
    // Without the jump the last one is rewritten; and code no function names never is.
    let code = function(&[&XOR_EAX, &[0x48, 0x89, 0xf8], &SYSCALL, &[RET]]);
    assert_eq!(sites(&code).len(), 1);
    assert_eq!(sites_of(&code, BASE, &Functions::at(&[])), []);
}

#[test]
fn a_jump_of_another_function_into_the_moved_instructions_is_seen() {
    let code = function(&[&XOR_EAX, &[0x48, 0x89, 0xf8], &SYSCALL, &[RET]]);
    let own = BASE..BASE + code.len() as u64;
    let far = function(&[&code, &[0x90; 500], &[0xe9], &(-507_i32).to_le_bytes(), &[RET]]);
    // The jump ends at 513; 513 - 511 is the second instruction.
    let mut hit = far.clone();
    let end = code.len() + 500 + 5;
    let distance = 2 - i32::try_from(end).unwrap();
    hit[end - 4..end].copy_from_slice(&distance.to_le_bytes());
    let functions = Functions::at(&[own.clone(), own.end + 500..BASE + far.len() as u64]);
    assert_eq!(sites_of(&hit, BASE, &functions), []);
    let mut miss = far;
    miss[end - 4..end].copy_from_slice(&(distance - 2).to_le_bytes());
    assert_eq!(sites_of(&miss, BASE, &functions).len(), 1, "to the first one it may jump");
}

#[test]
fn an_instruction_pointer_is_shown_as_in_the_original_code() {
    let code = function(&[&XOR_EAX, &[0x48, 0x89, 0xf8], &SYSCALL, &[RET]]);
    let (at, to) = (0x50_0000, 0x40_0000);
    let mut rewriter = Rewriter::default();
    let patch = placed(&code, at, to);
    let len = patch.trampolines.len() as u64;
    rewriter.note(patch);
    assert_eq!(rewriter.shown(to), at);
    assert_eq!(rewriter.shown(to + 2), at + 2);
    for after in 5..len {
        assert_eq!(rewriter.shown(to + after), at + 5, "after what was moved: the syscall");
    }
    assert_eq!(rewriter.shown(to + len), to + len, "not in it");
    assert_eq!(rewriter.shown(at + 7), at + 7);
    assert_eq!(rewriter.resumable(at + 2), to + 2, "the jump lies there now");
    assert_eq!(rewriter.resumable(at + 5), at + 5, "the syscall is where it was");
    assert_eq!(rewriter.resumable(at + 7), at + 7);
    rewriter.forget(at..at + 0x1000);
    assert_eq!(rewriter.resumable(at + 2), at + 2, "unmapped");
}

#[test]
fn a_plan_gives_only_sites_that_lie_wholly_in_a_range() {
    let code = function(&[&MOV_39, &SYSCALL, &MOV_39, &SYSCALL, &[RET]]);
    let plan = Plan { sites: sites(&code) };
    assert_eq!(plan.within(BASE..BASE + 14).len(), 2);
    assert_eq!(plan.within(BASE..BASE + 13).len(), 1);
    assert_eq!(plan.within(BASE + 1..BASE + 14).len(), 1);
    assert_eq!(plan.within(BASE + 8..BASE + 13).len(), 0);
}
