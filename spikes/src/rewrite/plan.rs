//! Which instructions before a `syscall` can make room for a five-byte jump.

use std::fmt;

use iced_x86::{Code, FlowControl, Instruction};

use super::scan::{CodeMap, Site};

/// Bytes of `jmp rel32`.
pub(super) const JUMP: usize = 5;

/// What to do with a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// Replace `mov $n, %eax`, five bytes: no jump can land inside it.
    MovEax,
    /// Replace one longer instruction.
    One(Instruction),
    /// Replace several instructions, none but the first a branch target.
    Several(usize),
    /// Leave it: its bytes are an interface.
    SignalReturn,
    /// Leave it to the trap.
    Trap(&'static str),
}

impl Plan {
    pub(super) fn of(code: &CodeMap, site: &Site) -> Self {
        if site.signal_return {
            return Self::SignalReturn;
        }
        if !site.confirmed {
            return Self::Trap("no table says that a function lies here");
        }
        let Some(moved) = moved(site) else {
            return Self::Trap("fewer than five bytes before it");
        };
        if moved.iter().any(|instruction| instruction.flow_control() != FlowControl::Next) {
            return Self::Trap("a branch, call or other system call directly before it");
        }
        if contiguous(moved, site) != Some(()) {
            return Self::Trap("not contiguous");
        }
        match moved {
            [one] if one.code() == Code::Mov_r32_imm32 && immediate(one).is_some() => Self::MovEax,
            [one] => Self::One(*one),
            several if several.iter().skip(1).any(|i| code.is_target(i.ip())) => {
                Self::Trap("a branch lands between the instructions before it")
            }
            _ if site.indirect_jumps => {
                Self::Trap("the function has indirect jumps, so targets may be unknown")
            }
            several => Self::Several(several.len()),
        }
    }

    /// Whether the site is rewritten.
    pub(super) fn rewrites(&self) -> bool {
        matches!(self, Self::MovEax | Self::One(_) | Self::Several(_))
    }
}

/// The fewest instructions directly before the site that fill a jump.
pub(super) fn moved(site: &Site) -> Option<&[Instruction]> {
    let mut bytes = 0;
    let count = 1 + site.before.iter().rev().position(|instruction| {
        bytes += instruction.len();
        bytes >= JUMP
    })?;
    site.before.get(site.before.len() - count..)
}

fn contiguous(moved: &[Instruction], site: &Site) -> Option<()> {
    let ends = moved.iter().map(Instruction::next_ip);
    let starts = moved.iter().skip(1).map(Instruction::ip).chain([site.addr]);
    ends.eq(starts).then_some(())
}

/// The constant that the instruction puts into RAX.
fn immediate(instruction: &Instruction) -> Option<u64> {
    let to_rax = instruction.op0_register().full_register() == iced_x86::Register::RAX;
    let is_mov = matches!(instruction.code(), Code::Mov_r32_imm32 | Code::Mov_rm64_imm32);
    (to_rax && is_mov).then(|| instruction.immediate(1))
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MovEax => f.write_str("mov $n, %eax: replaced"),
            Self::One(one) if immediate(one).is_some() => f.write_str("mov $n, %rax: moved"),
            Self::One(_) => f.write_str("one instruction moved"),
            Self::Several(count) => write!(f, "{count} instructions moved"),
            Self::SignalReturn => f.write_str("left: rt_sigreturn"),
            Self::Trap(why) => write!(f, "left to the trap: {why}"),
        }
    }
}
