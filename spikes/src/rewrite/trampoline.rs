//! A trampoline that runs the moved instructions, the system call, and records the registers around
//! it, using neither the application's stack nor its red zone.
//!
//! RCX and R11 are free before a system call because the kernel overwrites them. Flags are not: they
//! are kept with LAHF and SETO and put back before the call, since the kernel preserves them.

use iced_x86::{
    BlockEncoder, BlockEncoderOptions, Code, IcedError, Instruction, InstructionBlock,
    MemoryOperand, Register,
};

/// Registers in the order of a record; RAX is the number before and the result after.
pub(super) const REGISTERS: [Register; 16] = [
    Register::RAX,
    Register::RCX,
    Register::RDX,
    Register::RBX,
    Register::RSP,
    Register::RBP,
    Register::RSI,
    Register::RDI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];

/// Layout of a record: registers before, registers after, then these.
pub(super) const AFTER: i64 = 128;
pub(super) const FLAGS: i64 = 256;
pub(super) const SITE: i64 = 264;
pub(super) const FINISHED: i64 = 272;
/// Bytes of a record, as a shift.
pub(super) const RECORD_SHIFT: u32 = 9;

/// Encodes the trampoline at `at` for the site whose moved instructions are `moved` (with run-time
/// addresses). `header` holds the record counter and, 8 bytes on, the address of the records.
pub(super) fn encode(
    at: u64,
    moved: &[Instruction],
    site: u64,
    header: u64,
) -> Result<Vec<u8>, IcedError> {
    use Register::{AL, AX, EAX, ECX, R11, RAX, RBX, RCX};
    let next = site + 2;
    let at_rip = |addr: u64| MemoryOperand::with_base_displ(Register::RIP, addr.cast_signed());
    let record = |base, offset| MemoryOperand::with_base_displ(base, offset);
    let store = |base, offset, register| {
        Instruction::with2(Code::Mov_rm64_r64, record(base, offset), register)
    };
    let mut count = Instruction::with2(Code::Xadd_rm64_r64, at_rip(header), RAX)?;
    count.set_has_lock_prefix(true);

    let mut code = moved.to_vec();
    code.extend([
        Instruction::with2(Code::Mov_r64_rm64, R11, RAX)?,
        Instruction::with(Code::Lahf),
        Instruction::with1(Code::Seto_rm8, AL)?,
        Instruction::with2(Code::Movzx_r32_rm16, ECX, AX)?,
        Instruction::with2(Code::Mov_r32_imm32, EAX, 1)?,
        count,
        Instruction::with2(Code::Shl_rm64_imm8, RAX, RECORD_SHIFT)?,
        Instruction::with2(Code::Add_r64_rm64, RAX, at_rip(header + 8))?,
        store(RAX, FLAGS, RCX)?,
        store(RAX, 0, R11)?,
        Instruction::with2(Code::Mov_r64_imm64, RCX, site)?,
        store(RAX, SITE, RCX)?,
    ]);
    for (index, register) in (0..).zip(REGISTERS) {
        if !matches!(register, RAX | RCX | R11) {
            code.push(store(RAX, index * 8, register)?);
        }
    }
    code.extend([
        Instruction::with2(Code::Mov_r64_rm64, RBX, RAX)?,
        Instruction::with2(Code::Mov_r32_rm32, EAX, record(RBX, FLAGS))?,
        Instruction::with2(Code::Add_AL_imm8, AL, 0x7f)?,
        Instruction::with(Code::Sahf),
        Instruction::with2(Code::Mov_r64_rm64, RAX, R11)?,
        Instruction::with(Code::Syscall),
        Instruction::with2(Code::Mov_r64_imm64, RCX, next)?,
    ]);
    for (index, register) in (0..).zip(REGISTERS) {
        if register != RBX {
            code.push(store(RBX, AFTER + index * 8, register)?);
        }
    }
    code.extend([
        Instruction::with2(Code::Mov_rm64_imm32, record(RBX, FINISHED), 1)?,
        Instruction::with2(Code::Mov_r64_rm64, RBX, record(RBX, 3 * 8))?,
        Instruction::with_branch(Code::Jmp_rel32_64, next)?,
    ]);
    let block = InstructionBlock::new(&code, at);
    Ok(BlockEncoder::encode(64, block, BlockEncoderOptions::NONE)?.code_buffer)
}
