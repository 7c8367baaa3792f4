//! What a debug enclave tells the host of a program that has crashed, for a backtrace with names.
//!
//! ```text
//! 0   registers  17 x u64 in the order of the System V ABI's DWARF numbers, RIP last
//! 136 stack      u64 address of its first byte, u64 length
//! 152 mappings   u64 count
//! 160 the stack's bytes; then per mapping: u64 start, u64 end, u64 offset in the file, u64 length of the
//!     path, the path
//! ```
//!
//! A production enclave never sends this: registers and stack are the program's secrets.

use alloc::vec::Vec;

use crate::bytes::u64_at;

/// Number of registers: RAX, RDX, RCX, RBX, RSI, RDI, RBP, RSP, R8 to R15, RIP.
pub const REGISTERS: usize = 17;
/// Index of RBP.
pub const RBP: usize = 6;
/// Index of RSP.
pub const RSP: usize = 7;
/// Index of RIP, the return address in DWARF's terms.
pub const RIP: usize = 16;
/// Most bytes of stack that are sent.
pub const STACK_MAX: usize = 256 << 10;
const HEADER: usize = REGISTERS * 8 + 24;

/// A program's state at its crash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crash {
    /// Registers in DWARF's order.
    pub registers: [u64; REGISTERS],
    /// Address of the first byte of `stack`.
    pub stack_at: u64,
    /// The stack from RSP upwards, as far as it goes.
    pub stack: Vec<u8>,
    /// Files mapped executable.
    pub mappings: Vec<Mapping>,
}

/// A part of a file in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// End address.
    pub end: u64,
    /// Offset in the file of `start`.
    pub offset: u64,
    /// Path of the file as the program sees it.
    pub path: Vec<u8>,
}

impl Crash {
    /// Encodes the structure.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut put = |word: u64| out.extend_from_slice(&word.to_le_bytes());
        self.registers.iter().for_each(|register| put(*register));
        put(self.stack_at);
        put(self.stack.len() as u64);
        put(self.mappings.len() as u64);
        out.extend_from_slice(&self.stack);
        for mapping in &self.mappings {
            for word in [mapping.start, mapping.end, mapping.offset, mapping.path.len() as u64] {
                out.extend_from_slice(&word.to_le_bytes());
            }
            out.extend_from_slice(&mapping.path);
        }
        out
    }

    /// Decodes it; `None` for bytes that are cut short.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut registers = [0; REGISTERS];
        for (index, register) in registers.iter_mut().enumerate() {
            *register = u64_at(bytes, index * 8)?;
        }
        let word = |index: usize| u64_at(bytes, (REGISTERS + index) * 8);
        let (stack_at, count) = (word(0)?, word(2)?);
        let mut at = HEADER;
        let stack = take(bytes, &mut at, word(1)?)?.to_vec();
        let mut mappings = Vec::new();
        for _ in 0..count {
            let head = take(bytes, &mut at, 32)?;
            let word = |index: usize| u64_at(head, index * 8);
            let (start, end, offset) = (word(0)?, word(1)?, word(2)?);
            let path = take(bytes, &mut at, word(3)?)?.to_vec();
            mappings.push(Mapping { start, end, offset, path });
        }
        Some(Self { registers, stack_at, stack, mappings })
    }
}

fn take<'a>(bytes: &'a [u8], at: &mut usize, len: u64) -> Option<&'a [u8]> {
    let end = at.checked_add(usize::try_from(len).ok()?)?;
    let taken = bytes.get(*at..end)?;
    *at = end;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn encoding_round_trips_and_every_truncation_is_refused() {
        let mapping = Mapping { start: 1, end: 2, offset: 3, path: b"/bin/x".to_vec() };
        let crash = Crash {
            registers: core::array::from_fn(|i| i as u64),
            stack_at: 9,
            stack: vec![1, 2, 3],
            mappings: vec![mapping],
        };
        let bytes = crash.to_bytes();
        assert_eq!(Crash::from_bytes(&bytes), Some(crash));
        for len in 0..bytes.len() {
            assert_eq!(Crash::from_bytes(&bytes[..len]), None, "length {len}");
        }
        let mut huge = bytes;
        huge[HEADER - 8..HEADER].fill(0xff);
        assert_eq!(Crash::from_bytes(&huge), None, "more mappings than there are bytes");
    }
}
