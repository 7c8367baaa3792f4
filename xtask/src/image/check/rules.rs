//! Which instructions may not be in the image, wherever they are.
//!
//! SPEC: Intel SDM volume 3D, chapter "Intel SGX Interactions with IA32 and Intel 64 Architecture",
//! table "Illegal Instructions Inside an Enclave".

use iced_x86::{Code, EncodingKind, Instruction, Mnemonic};

use super::Rule;

/// The rule that an instruction breaks, if any. ENCLU is judged by its place, not here.
pub(super) fn judge(instruction: &Instruction, in_avx_routine: bool) -> Option<Rule> {
    match instruction.encoding() {
        EncodingKind::VEX if in_avx_routine => {}
        EncodingKind::VEX => return Some(Rule::Vex),
        EncodingKind::Legacy => {}
        _ => return Some(Rule::VectorEncoding),
    }
    if is_illegal(instruction) {
        return Some(Rule::Illegal);
    }
    is_privileged(instruction).then_some(Rule::Privileged)
}

fn is_illegal(instruction: &Instruction) -> bool {
    use Mnemonic as M;
    match instruction.mnemonic() {
        // May cause a VM exit.
        M::Cpuid | M::Getsec | M::Getsecq | M::Rdpmc => true,
        M::Sgdt | M::Sidt | M::Sldt | M::Str => true,
        M::Vmcall | M::Vmmcall | M::Vmfunc => true,
        // Input and output.
        M::In | M::Insb | M::Insw | M::Insd | M::Out | M::Outsb | M::Outsw | M::Outsd => true,
        // May change the privilege level. INT3 is not among them: it is #BP inside the enclave.
        M::Int | M::Int1 | M::Into | M::Iret | M::Iretd | M::Iretq | M::Retf => true,
        M::Syscall | M::Sysenter => true,
        // Load segment registers.
        M::Lds | M::Les | M::Lfs | M::Lgs | M::Lss => true,
        // Shows the machine status word, which belongs to the kernel.
        M::Smsw => true,
        _ => is_far_branch(instruction) || writes_segment_register(instruction.code()),
    }
}

fn is_far_branch(instruction: &Instruction) -> bool {
    instruction.is_jmp_far()
        || instruction.is_jmp_far_indirect()
        || instruction.is_call_far()
        || instruction.is_call_far_indirect()
}

fn writes_segment_register(code: Code) -> bool {
    matches!(
        code,
        Code::Mov_Sreg_rm16
            | Code::Mov_Sreg_r32m16
            | Code::Mov_Sreg_r64m16
            | Code::Popw_FS
            | Code::Popq_FS
            | Code::Popw_GS
            | Code::Popq_GS
    )
}

fn is_privileged(instruction: &Instruction) -> bool {
    use Mnemonic as M;
    // The second list repeats what the decoder's table might miss.
    instruction.is_privileged()
        || matches!(
            instruction.mnemonic(),
            M::Encls | M::Enclv | M::Cli | M::Sti | M::Hlt | M::Swapgs | M::Sysret | M::Sysexit
        )
}
