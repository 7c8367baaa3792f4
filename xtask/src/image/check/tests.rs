//! Every rule against a small program assembled for it.

use std::path::Path;
use std::process::Command;

use super::{Report, Rule, check};

/// What an acceptable image holds: an entry point, one ENCLU site and the note that lists it.
const GOOD: &str = r#"
    .text
    .globl _start
    .type _start, @function
_start:
    lea table(%rip), %rdi
    movdqu (%rdi), %xmm0
site:
    .byte 0x0f, 0x01, 0xd7, 0x0f, 0x1f, 0x44, 0x00, 0x00
    ud2
    .size _start, . - _start
"#;

const NOTE: &str = r#"
    .section .note.casemate.enclu, "a", @note
    .align 4
    .long 9, 8, 1
    .asciz "Casemate"
    .align 4
element:
    .quad site - element
"#;

const DATA: &str = r#"
    .section .data.rel.ro, "aw"
table:
    .quad _start, 0
"#;

/// Links assembly as the image is linked; `flags` come last.
fn link(assembly: &str, flags: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("image.s");
    let image = directory.path().join("image");
    std::fs::write(&source, assembly).unwrap();
    let status = Command::new("cc")
        .args(["-static-pie", "-nostdlib", "-nostartfiles", "-Wl,--no-dynamic-linker"])
        .args(["-Wl,--build-id=none,-z,norelro,-z,noexecstack", "-o"])
        .args([image.as_path(), source.as_path()])
        .args(flags)
        .status()
        .unwrap();
    assert!(status.success(), "the test program does not link");
    std::fs::read(Path::new(&image)).unwrap()
}

fn report(assembly: &str) -> Report {
    check(&link(assembly, &[])).unwrap()
}

fn rules(report: &Report) -> Vec<Rule> {
    report.violations.iter().map(|violation| violation.rule).collect()
}

/// The rules that a function with this body breaks, beside an otherwise good image.
fn body(instructions: &str) -> Vec<Rule> {
    named_body("body", instructions)
}

fn named_body(name: &str, instructions: &str) -> Vec<Rule> {
    rules(&report(&format!(
        "{GOOD}.type {name}, @function\n{name}:\n{instructions}\n.size {name}, . - {name}\n{NOTE}{DATA}"
    )))
}

#[test]
fn accepts_a_good_image() {
    let report = report(&[GOOD, NOTE, DATA].concat());
    assert_eq!(report.violations, []);
    assert_eq!(report.sites, 1);
    assert_eq!(report.instructions, 5);
    // Headers with notes, code, data: one page each.
    assert_eq!(report.measured_bytes % 4096, 0);
    assert!((3 * 4096..=5 * 4096).contains(&report.measured_bytes));
}

#[test]
fn accepts_what_a_compiler_emits_for_the_baseline() {
    for instruction in [
        "nop; pause; lfence",
        "int3",
        "pshufb %xmm1, %xmm0; pextrq $1, %xmm0, %rax; sha256rnds2 %xmm1, %xmm0",
        "aesenc %xmm1, %xmm0; pclmulqdq $0, %xmm1, %xmm0",
        "rep movsb; lock cmpxchg16b (%rdi); rdrand %rax; rdtsc; rdtscp",
        "rdfsbase %rax; wrgsbase %rax; mov %fs:0, %rax; xsave64 (%rdi); xrstor64 (%rdi); xgetbv",
        "call 1f\n1: jmp 1b",
    ] {
        assert_eq!(body(instruction), [], "{instruction}");
    }
}

#[test]
fn finds_instructions_that_are_illegal_in_an_enclave() {
    for instruction in [
        "cpuid",
        "getsec",
        "rdpmc",
        "sgdt (%rax)",
        "sidt (%rax)",
        "sldt %ax",
        "str %ax",
        "smsw %ax",
        "vmcall",
        "vmmcall",
        "vmfunc",
        "in %dx, %al",
        "in $1, %eax",
        "insb",
        "rep insl",
        "out %al, %dx",
        "outsw",
        "int $0x80",
        "int1",
        "iretl",
        "iretq",
        "lretq",
        "lretq $8",
        "ljmp *(%rax)",
        "lcall *(%rax)",
        "rex.w ljmp *(%rax)",
        "lfs (%rax), %ecx",
        "lgs (%rax), %ecx",
        "lss (%rax), %ecx",
        "mov %eax, %ds",
        "mov (%rax), %es",
        "mov %rax, %fs",
        "pop %fs",
        "popw %gs",
        "syscall",
        "sysenter",
    ] {
        assert_eq!(body(instruction), [Rule::Illegal], "{instruction}");
    }
}

#[test]
fn finds_privileged_instructions() {
    for instruction in [
        ".byte 0x0f, 0x01, 0xcf # encls",
        ".byte 0x0f, 0x01, 0xc0 # enclv",
        "hlt",
        "cli",
        "sti",
        "swapgs",
        "sysretq",
        "sysexitl",
        "mov %cr3, %rax",
        "mov %rax, %dr7",
        "wrmsr",
        "rdmsr",
        "lgdt (%rax)",
        "ltr %ax",
        "invlpg (%rax)",
        "xsetbv",
    ] {
        assert_eq!(body(instruction), [Rule::Privileged], "{instruction}");
    }
}

#[test]
fn finds_vector_encodings() {
    assert_eq!(body("vpxor %ymm0, %ymm0, %ymm0"), [Rule::Vex]);
    assert_eq!(body("vzeroupper"), [Rule::Vex]);
    // BMI2 is VEX-encoded too.
    assert_eq!(body("mulx %rax, %rbx, %rcx"), [Rule::Vex]);
    assert_eq!(body("vpxorq %zmm0, %zmm0, %zmm0"), [Rule::VectorEncoding]);
    assert_eq!(body("vpcmov %xmm0, %xmm1, %xmm2, %xmm3"), [Rule::VectorEncoding]);
}

#[test]
fn exempts_named_routines_from_the_vex_rule_only() {
    assert_eq!(named_body("avx_copy", "vmovdqu (%rsi), %ymm0; vzeroupper"), []);
    assert_eq!(named_body("avx_copy", "vpxorq %zmm0, %zmm0, %zmm0"), [Rule::VectorEncoding]);
    assert_eq!(named_body("avx_copy", "cpuid"), [Rule::Illegal]);
    // The exemption ends with the routine.
    assert_eq!(body(".size body, . - body\navx_empty: vzeroupper"), [Rule::Vex]);
}

#[test]
fn finds_bytes_that_do_not_decode() {
    assert_eq!(body(".byte 0x06"), [Rule::Undecodable]);
    // The first byte of an instruction that would swallow the next function.
    assert_eq!(body(".byte 0x48"), [Rule::Undecodable]);
}

#[test]
fn finds_jumps_into_the_middle_of_an_instruction() {
    // A jump to the CPUID that hides in an immediate.
    let hidden = "jmp 1f + 1\n1: mov $0x9090a20f, %eax";
    assert_eq!(body(hidden), [Rule::HiddenCode]);
    let image = format!("{GOOD}{NOTE}{DATA}.quad _start + 1\n");
    assert_eq!(rules(&report(&image)), [Rule::HiddenCode]);
}

#[test]
fn finds_jumps_behind_an_enclu_site() {
    assert_eq!(body("jmp site + 3"), [Rule::HiddenCode]);
    assert_eq!(body("jmp site"), []);
}

#[test]
fn finds_enclu_outside_the_note() {
    assert_eq!(body(".byte 0x0f, 0x01, 0xd7, 0x0f, 0x1f, 0x44, 0, 0"), [Rule::StrayEnclu]);
}

#[test]
fn finds_a_note_that_lists_no_enclu() {
    let note = NOTE.replace("site - element", "_start - element");
    let found = rules(&report(&[GOOD, &note, DATA].concat()));
    assert_eq!(found, [Rule::StrayEnclu, Rule::Note]);
}

#[test]
fn finds_a_site_without_room_for_the_jump() {
    let good = GOOD.replace(", 0x0f, 0x1f, 0x44, 0x00, 0x00", "\n nop");
    let found = rules(&report(&[&good, NOTE, DATA].concat()));
    assert_eq!(found, [Rule::StrayEnclu, Rule::Note]);
}

#[test]
fn refuses_a_missing_or_malformed_note() {
    let stray = [Rule::Note, Rule::StrayEnclu];
    assert_eq!(rules(&report(&[GOOD, DATA].concat())), stray);
    for (good, bad) in [
        ("Casemate", "casemate"),
        (".long 9, 8, 1", ".long 9, 8, 2"),
        (".long 9, 8, 1", ".long 9, 16, 1"),
        (".long 9, 8, 1", ".long 8, 8, 1"),
        (".quad site - element", ".long 0"),
    ] {
        let note = NOTE.replace(good, bad);
        assert_eq!(rules(&report(&[GOOD, &note, DATA].concat())), stray, "{bad}");
    }
}

#[test]
fn refuses_relocations_that_need_a_linker() {
    // Only a dynamic linker could resolve an indirect function.
    let found = report(&format!(
        "{GOOD}.type choose, @gnu_indirect_function\nchoose: ret\n{NOTE}{DATA}.quad choose\n"
    ));
    assert!(rules(&found).contains(&Rule::Relocation), "{:?}", found.violations);
}

#[test]
fn refuses_relocations_in_code() {
    let found = check(&link(&format!("{GOOD}.quad _start\n{NOTE}{DATA}"), &["-Wl,-z,notext"]));
    assert!(rules(&found.unwrap()).contains(&Rule::Relocation));
}

#[test]
fn refuses_undefined_symbols() {
    let image = format!("{GOOD}{NOTE}{DATA}.quad missing\n");
    let found = rules(&check(&link(&image, &["-shared"])).unwrap());
    // Once in each symbol table; both pointers are relocations that name a symbol.
    assert_eq!(found, [Rule::Undefined, Rule::Undefined, Rule::Relocation, Rule::Relocation]);
}

#[test]
fn refuses_an_interpreter_and_shared_libraries() {
    let flags = ["-pie", "-Wl,-dynamic-linker,/lib/ld.so", "-Wl,--no-as-needed", "-lc"];
    let report = check(&link(&[GOOD, NOTE, DATA].concat(), &flags)).unwrap();
    let details: Vec<&str> = report.violations.iter().map(|found| &*found.detail).collect();
    assert!(details.contains(&"PT_INTERP, expected no interpreter"), "{details:?}");
    assert!(details.contains(&"DT_NEEDED, expected no shared libraries"), "{details:?}");
}

#[test]
fn refuses_thread_local_storage() {
    let image = format!("{GOOD}{NOTE}{DATA}.section .tdata, \"awT\", @progbits\n.quad 1\n");
    assert_eq!(rules(&report(&image)), [Rule::Headers]);
}

#[test]
fn refuses_a_program_at_a_fixed_address() {
    let found = check(&link(&[GOOD, NOTE, DATA].concat(), &["-static", "-no-pie"])).unwrap();
    assert_eq!(rules(&found), [Rule::Headers]);
}

#[test]
fn refuses_writable_code_and_an_executable_stack() {
    let image = [GOOD, NOTE, DATA].concat();
    let writable = check(&link(&image, &["-Wl,--omagic", "-Wl,--no-warn-rwx-segments"])).unwrap();
    assert!(rules(&writable).contains(&Rule::Headers));
    let stack = check(&link(&image, &["-Wl,-z,execstack", "-Wl,--no-warn-execstack"])).unwrap();
    assert_eq!(rules(&stack), [Rule::Headers]);
}

#[test]
fn refuses_an_image_over_the_limit() {
    let image = format!("{GOOD}{NOTE}{DATA}.bss\n.skip 3 << 20\n");
    assert_eq!(rules(&report(&image)), [Rule::TooLarge]);
}

#[test]
fn says_where_and_what() {
    let image = format!(
        "{GOOD}.type probe, @function\nprobe: nop\ncpuid\n.size probe, . - probe\n{NOTE}{DATA}"
    );
    let text = report(&image).violations[0].to_string();
    assert!(text.ends_with("probe+0x1 `cpuid`: illegal in an enclave"), "{text}");
}

#[test]
fn never_panics_on_a_damaged_file() {
    let image = link(&[GOOD, NOTE, DATA].concat(), &[]);
    for length in (0..image.len()).step_by(61) {
        let _ = check(&image[..length]);
    }
    for position in 0..image.len().min(4096) {
        let mut damaged = image.clone();
        damaged[position] ^= 0xff;
        let _ = check(&damaged);
    }
}

#[test]
fn refuses_what_is_not_elf() {
    assert!(check(b"#!/bin/sh\n").is_err());
}
