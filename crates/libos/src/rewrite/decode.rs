//! Lengths of x86-64 instructions, and where they go.
//!
//! As much of a decoder as rewriting takes: it finds instruction boundaries, branches and operands relative to
//! RIP. It knows the legacy opcode maps and answers `None` for the rest (VEX, EVEX, XOP, 3DNow!, invalid): a
//! function that has such an instruction before a system call is left alone.
//!
//! SPEC: Intel SDM volume 2, chapter 2 and appendix A. Total: every byte string decodes or is refused.

/// Where control goes after an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// To the next instruction.
    Next,
    /// To a known address, relative to the next instruction, or on.
    Relative(i32),
    /// `jmp` through a register or memory: anywhere.
    Indirect,
    /// `syscall`.
    Syscall,
    /// Anything else: returns, indirect calls, traps, undefined.
    Other,
}

/// One instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// Bytes, 1 to 15.
    pub(crate) len: usize,
    pub(crate) flow: Flow,
    /// Where in the instruction a 32-bit displacement relative to the next instruction lies.
    pub(crate) rip_displacement: Option<usize>,
    /// The condition of a conditional jump, `Flow::Relative`.
    pub(crate) condition: Option<u8>,
    /// Whether it can be executed elsewhere, with that displacement or the jump's distance corrected.
    pub(crate) movable: bool,
}

/// Longest instruction.
pub(crate) const LONGEST: usize = 15;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    None,
    Imm8,
    Imm16,
    /// 16 bits with an operand-size prefix, else 32.
    Imm32,
    /// As `Imm32`, 64 bits with REX.W.
    Imm64,
    /// ENTER's.
    Imm24,
    /// A memory offset as wide as an address.
    Offset,
    Rel8,
    Rel32,
}

/// What follows the opcode: a ModRM byte or not, then the operand.
type Shape = (bool, Operand);

#[derive(Default)]
struct Prefixes {
    operand_size: bool,
    address_size: bool,
    repeat: bool,
    rex_w: bool,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.at += bytes;
        (self.at <= self.bytes.len().min(LONGEST)).then_some(())
    }
}

/// Decodes the instruction at the start of `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Option<Instruction> {
    let mut reader = Reader { bytes, at: 0 };
    let prefixes = prefixes(&mut reader)?;
    let opcode = reader.byte()?;
    let (map, opcode) = match opcode {
        0x0f => match reader.byte()? {
            0x38 => (0x38, reader.byte()?),
            0x3a => (0x3a, reader.byte()?),
            second => (0x0f, second),
        },
        first => (0, first),
    };
    let (has_modrm, mut operand) = match map {
        0 => one_byte(opcode)?,
        0x0f => two_bytes(opcode, &prefixes)?,
        0x38 => (true, Operand::None),
        _ => (true, Operand::Imm8),
    };
    let mut rip_displacement = None;
    let mut modrm = 0;
    if has_modrm {
        modrm = reader.byte()?;
        rip_displacement = address(&mut reader, modrm)?;
        operand = match (map, opcode, modrm >> 3 & 7) {
            (0, 0xf6, 0 | 1) => Operand::Imm8,
            (0, 0xf7, 0 | 1) => Operand::Imm32,
            // XOP; XABORT and XBEGIN.
            (0, 0x8f, 1..) | (0, 0xc6 | 0xc7, 1..) => return None,
            _ => operand,
        };
    }
    let relative = finish(&mut reader, operand, &prefixes)?;
    let flow = match relative {
        Some(distance) => Flow::Relative(distance),
        None => flow(map, opcode, modrm),
    };
    let odd_address = rip_displacement.is_some() && prefixes.address_size;
    let condition = match (map, opcode) {
        (0, 0x70..=0x7f) | (0x0f, 0x80..=0x8f) => Some(opcode & 15),
        _ => None,
    };
    let movable = (flow == Flow::Next && !odd_address) || condition.is_some();
    Some(Instruction { len: reader.at, flow, rip_displacement, condition, movable })
}

fn prefixes(reader: &mut Reader<'_>) -> Option<Prefixes> {
    let mut prefixes = Prefixes::default();
    loop {
        match reader.peek()? {
            0x66 => prefixes.operand_size = true,
            0x67 => prefixes.address_size = true,
            0xf2 | 0xf3 => prefixes.repeat = true,
            0x2e | 0x36 | 0x3e | 0x26 | 0x64 | 0x65 | 0xf0 => {}
            _ => break,
        }
        reader.skip(1)?;
    }
    if let rex @ 0x40..=0x4f = reader.peek()? {
        prefixes.rex_w = rex & 8 != 0;
        reader.skip(1)?;
    }
    Some(prefixes)
}

fn one_byte(opcode: u8) -> Option<Shape> {
    use Operand as O;
    Some(match opcode {
        0x00..=0x3f => match opcode & 7 {
            0..=3 => (true, O::None),
            4 => (false, O::Imm8),
            5 => (false, O::Imm32),
            _ => return None,
        },
        0x50..=0x5f | 0x6c..=0x6f | 0x90..=0x99 | 0x9b..=0x9f | 0xa4..=0xa7 | 0xaa..=0xaf => {
            (false, O::None)
        }
        0xc3
        | 0xc9
        | 0xcb
        | 0xcc
        | 0xcf
        | 0xd7
        | 0xec..=0xef
        | 0xf1
        | 0xf4
        | 0xf5
        | 0xf8..=0xfd => (false, O::None),
        0x63 | 0x84..=0x8f | 0xd0..=0xd3 | 0xd8..=0xdf | 0xf6 | 0xf7 | 0xfe | 0xff => {
            (true, O::None)
        }
        0x69 | 0x81 | 0xc7 => (true, O::Imm32),
        0x6b | 0x80 | 0x83 | 0xc0 | 0xc1 | 0xc6 => (true, O::Imm8),
        0x68 | 0xa9 => (false, O::Imm32),
        0x6a | 0xa8 | 0xb0..=0xb7 | 0xcd | 0xe4..=0xe7 => (false, O::Imm8),
        0x70..=0x7f | 0xe0..=0xe3 | 0xeb => (false, O::Rel8),
        0xe8 | 0xe9 => (false, O::Rel32),
        0xa0..=0xa3 => (false, O::Offset),
        0xb8..=0xbf => (false, O::Imm64),
        0xc2 | 0xca => (false, O::Imm16),
        0xc8 => (false, O::Imm24),
        _ => return None,
    })
}

fn two_bytes(opcode: u8, prefixes: &Prefixes) -> Option<Shape> {
    use Operand as O;
    Some(match opcode {
        0x05..=0x09
        | 0x0b
        | 0x30..=0x35
        | 0x37
        | 0x77
        | 0xa0..=0xa2
        | 0xa8..=0xaa
        | 0xc8..=0xcf => (false, O::None),
        0x80..=0x8f => (false, O::Rel32),
        0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6 => (true, O::Imm8),
        // 3DNow!, control registers, invalid, SSE4a, VIA PadLock.
        0x04
        | 0x0a
        | 0x0c
        | 0x0e
        | 0x0f
        | 0x20..=0x27
        | 0x36
        | 0x39
        | 0x3b..=0x3f
        | 0xa6
        | 0xa7 => {
            return None;
        }
        0x78 | 0x79 if prefixes.operand_size || prefixes.repeat => return None,
        _ => (true, O::None),
    })
}

/// Skips what the ModRM byte announces. `Some(Some(at))`: a displacement relative to RIP.
fn address(reader: &mut Reader<'_>, modrm: u8) -> Option<Option<usize>> {
    let (mode, rm) = (modrm >> 6, modrm & 7);
    if mode == 3 {
        return Some(None);
    }
    if mode == 0 && rm == 5 {
        let at = reader.at;
        reader.skip(4)?;
        return Some(Some(at));
    }
    let base = if rm == 4 { reader.byte()? & 7 } else { rm };
    match mode {
        0 if rm == 4 && base == 5 => reader.skip(4)?,
        0 => {}
        1 => reader.skip(1)?,
        _ => reader.skip(4)?,
    }
    Some(None)
}

/// Skips the operand; the distance of a relative branch.
fn finish(reader: &mut Reader<'_>, operand: Operand, prefixes: &Prefixes) -> Option<Option<i32>> {
    let short = prefixes.operand_size && !prefixes.rex_w;
    let at = reader.at;
    let bytes = match operand {
        Operand::None => 0,
        Operand::Imm8 | Operand::Rel8 => 1,
        Operand::Imm16 => 2,
        Operand::Imm24 => 3,
        Operand::Imm64 if prefixes.rex_w => 8,
        Operand::Imm32 | Operand::Imm64 if short => 2,
        Operand::Imm32 | Operand::Imm64 => 4,
        Operand::Offset if prefixes.address_size => 4,
        Operand::Offset => 8,
        // Intel ignores the prefix and AMD does not.
        Operand::Rel32 if short => return None,
        Operand::Rel32 => 4,
    };
    reader.skip(bytes)?;
    let value = reader.bytes.get(at..reader.at)?;
    Some(match (operand, value) {
        (Operand::Rel8, &[a]) => Some(i32::from(a.cast_signed())),
        (Operand::Rel32, &[a, b, c, d]) => Some(i32::from_le_bytes([a, b, c, d])),
        _ => None,
    })
}

fn flow(map: u8, opcode: u8, modrm: u8) -> Flow {
    match (map, opcode) {
        (0x0f, 0x05) => Flow::Syscall,
        (0, 0xff) => match modrm >> 3 & 7 {
            4 | 5 => Flow::Indirect,
            2 | 3 | 7 => Flow::Other,
            _ => Flow::Next,
        },
        (0, 0xc2 | 0xc3 | 0xca..=0xcd | 0xcf | 0xf1 | 0xf4) => Flow::Other,
        (0x0f, 0x07 | 0x0b | 0x34 | 0x35 | 0xaa | 0xb9 | 0xff) => Flow::Other,
        // VMCALL, ENCLU and their kin.
        (0x0f, 0x01) if modrm >= 0xc0 => Flow::Other,
        _ => Flow::Next,
    }
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions, FlowControl, OpKind};

    use super::*;

    const ROUNDS: u64 = 200_000;

    #[test]
    fn system_call_sequences_decode() {
        let mov = decode(&[0xb8, 39, 0, 0, 0, 0x0f, 0x05]).unwrap();
        assert_eq!((mov.len, mov.flow, mov.movable), (5, Flow::Next, true));
        let call = decode(&[0x0f, 0x05]).unwrap();
        assert_eq!((call.len, call.flow), (2, Flow::Syscall));
        // cmpb $0, 0x12345678(%rip)
        let cmp = decode(&[0x80, 0x3d, 0x78, 0x56, 0x34, 0x12, 0]).unwrap();
        assert_eq!((cmp.len, cmp.rip_displacement), (7, Some(2)));
        let jump = decode(&[0x75, 0xfe]).unwrap();
        assert_eq!((jump.flow, jump.condition), (Flow::Relative(-2), Some(5)));
        assert_eq!(decode(&[0xff, 0xe0]).unwrap().flow, Flow::Indirect);
    }

    #[test]
    fn what_is_not_known_or_not_whole_is_refused() {
        for bytes in [
            &[][..],
            &[0x0f],
            &[0xc5, 0xf8, 0x77],
            &[0x62, 0xf1, 0x7c, 0x48, 0x28, 0xc0],
            &[0xb8, 1, 2],
            &[0x06],
            &[0x66; 15],
        ] {
            assert_eq!(decode(bytes), None, "{bytes:x?}");
        }
    }

    /// Any bytes at all, half of them with a prefix or an escape before them, against another decoder.
    #[test]
    fn lengths_and_branches_are_those_of_a_full_decoder() {
        const FIRST: [u8; 8] = [0x66, 0x48, 0x0f, 0xf3, 0x64, 0x4f, 0x0f, 0x67];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        let mut known = 0;
        for round in 0..ROUNDS {
            let [a, b] = [random(), random()];
            let mut bytes: [u8; LONGEST] =
                std::array::from_fn(|i| if i < 8 { a[i] } else { b[i - 8] });
            if round % 2 == 0 {
                bytes[0] = FIRST[usize::from(a[0] & 7)];
                if round % 4 == 0 {
                    bytes[1] = FIRST[usize::from(a[1] & 7)];
                }
            }
            let bytes = &bytes[..];
            let mut decoder = Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE);
            let expected = decoder.decode();
            if let Some(found) = decode(bytes).filter(|_| !expected.is_invalid()) {
                known += 1;
                assert_eq!(found.len, expected.len(), "{expected} {bytes:x?}");
                let target = (expected.op0_kind() == OpKind::NearBranch64
                    && !expected.is_jmp_far())
                .then(|| expected.near_branch64().wrapping_sub(expected.next_ip()));
                let ours = match found.flow {
                    Flow::Relative(distance) => Some(i64::from(distance).cast_unsigned()),
                    _ => None,
                };
                assert_eq!(ours, target, "{expected} {bytes:x?}");
                if found.flow == Flow::Next {
                    let on = [FlowControl::Next].contains(&expected.flow_control());
                    assert!(on, "{expected} {bytes:x?}");
                }
                let rip = expected.is_ip_rel_memory_operand();
                assert_eq!(found.rip_displacement.is_some(), rip, "{expected} {bytes:x?}");
            }
        }
        assert!(known > ROUNDS / 2, "{known}");
    }
}
