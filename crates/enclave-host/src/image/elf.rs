//! The few ELF structures a static position-independent executable needs (System V ABI, gABI
//! chapters 4 and 5, x86-64 supplement). Total over foreign bytes.

use enclave_abi::bytes::{u32_at, u64_at};

use super::PAGE;

pub(super) const PF_X: u32 = 1;
pub(super) const PF_W: u32 = 2;
pub(super) const PF_R: u32 = 4;

const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_NOTE: u32 = 4;
const ET_DYN: u16 = 3;
const EM_X86_64: u16 = 62;
const HEADER_SIZE: u64 = 64;
const PROGRAM_HEADER_SIZE: u16 = 56;
/// Largest image in bytes; the ABI's place for it is no larger.
const SIZE_MAX: u64 = 16 << 20;

/// Why a file is no enclave image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The file is not an x86-64 ELF file.
    #[error("enclave image is not an x86-64 little-endian ELF file")]
    NotElf,
    /// The file is no position-independent executable.
    #[error(
        "enclave image has ELF type {found}, expected 3 (a static position-independent program)"
    )]
    Type {
        /// `e_type`.
        found: u16,
    },
    /// The file asks for a program interpreter.
    #[error("enclave image names a program interpreter; it must be linked statically")]
    Interpreter,
    /// A structure lies outside the file.
    #[error("enclave image is cut short: {what} lies outside the file")]
    CutShort {
        /// Which structure.
        what: &'static str,
    },
    /// A segment breaks a rule of the loader.
    #[error("enclave image, loadable segment {index}: {reason}")]
    Segment {
        /// Its place among the loadable segments, from 0.
        index: usize,
        /// The rule.
        reason: &'static str,
    },
    /// The image exceeds the place the ABI gives it.
    #[error("enclave image takes more than {SIZE_MAX} bytes of memory")]
    TooLarge,
    /// The entry point lies in no executable segment.
    #[error("enclave image's entry point {found:#x} is in no executable segment")]
    Entry {
        /// `e_entry`.
        found: u64,
    },
    /// The note that lists the ENCLU instructions is damaged.
    #[error("enclave image's list of ENCLU instructions is damaged: {reason}")]
    Note {
        /// What is wrong.
        reason: &'static str,
    },
}

/// What the loader needs of the headers.
pub(super) struct Headers {
    pub(super) entry: u64,
    pub(super) loads: Vec<Load>,
    /// Notes: file offset, address, size.
    pub(super) notes: Vec<(u64, u64, u64)>,
}

/// A loadable segment.
pub(super) struct Load {
    pub(super) flags: u32,
    pub(super) address: u64,
    offset: u64,
    file_size: u64,
    memory_size: u64,
}

impl Load {
    pub(super) fn end(&self) -> u64 {
        self.address + self.memory_size
    }

    pub(super) fn holds(&self, address: u64) -> bool {
        (self.address..self.end()).contains(&address)
    }

    pub(super) fn content<'f>(&self, file: &'f [u8]) -> Result<&'f [u8], Malformed> {
        slice(file, self.offset, self.file_size)
            .ok_or(Malformed::CutShort { what: "a segment's content" })
    }
}

/// `len` bytes at `offset`.
pub(super) fn slice(file: &[u8], offset: u64, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    file.get(start..end)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

impl Headers {
    pub(super) fn parse(file: &[u8]) -> Result<Self, Malformed> {
        let ident = b"\x7fELF\x02\x01\x01";
        if !file.starts_with(ident) || u16_at(file, 18) != Some(EM_X86_64) {
            return Err(Malformed::NotElf);
        }
        let header =
            slice(file, 0, HEADER_SIZE).ok_or(Malformed::CutShort { what: "the ELF header" })?;
        let half = |at| u16_at(header, at).unwrap_or(0);
        let word = |at| u64_at(header, at).unwrap_or(0);
        if half(16) != ET_DYN {
            return Err(Malformed::Type { found: half(16) });
        }
        if half(54) != PROGRAM_HEADER_SIZE {
            return Err(Malformed::NotElf);
        }
        let table_len = u64::from(half(56)) * u64::from(PROGRAM_HEADER_SIZE);
        let table = slice(file, word(32), table_len)
            .ok_or(Malformed::CutShort { what: "the program header table" })?;
        let mut headers = Self { entry: word(24), loads: Vec::new(), notes: Vec::new() };
        for entry in table.chunks_exact(usize::from(PROGRAM_HEADER_SIZE)) {
            headers.take(entry)?;
        }
        headers.check_loads()?;
        Ok(headers)
    }

    /// Bytes from the start of the file to the end of what is loaded and of the notes.
    pub(super) fn loaded_len(&self) -> u64 {
        let loads = self.loads.iter().map(|load| load.offset.saturating_add(load.file_size));
        let notes = self.notes.iter().map(|(offset, _, size)| offset.saturating_add(*size));
        loads.chain(notes).max().unwrap_or(u64::MAX)
    }

    fn take(&mut self, entry: &[u8]) -> Result<(), Malformed> {
        let word = |at| u64_at(entry, at).unwrap_or(0);
        match u32_at(entry, 0) {
            Some(PT_LOAD) => self.loads.push(Load {
                flags: u32_at(entry, 4).unwrap_or(0),
                offset: word(8),
                address: word(16),
                file_size: word(32),
                memory_size: word(40),
            }),
            Some(PT_INTERP) => return Err(Malformed::Interpreter),
            Some(PT_NOTE) => self.notes.push((word(8), word(16), word(32))),
            _ => {}
        }
        Ok(())
    }

    /// Checks the rules that make the rest of the loader's arithmetic safe.
    fn check_loads(&self) -> Result<(), Malformed> {
        let mut free = 0;
        for (index, load) in self.loads.iter().enumerate() {
            let broken = |reason| Err(Malformed::Segment { index, reason });
            if load.address.checked_add(load.memory_size).is_none_or(|end| end > SIZE_MAX) {
                return Err(Malformed::TooLarge);
            }
            if load.memory_size == 0 || load.file_size > load.memory_size {
                return broken("its size in memory is zero or below its size in the file");
            }
            if load.flags & (PF_W | PF_X) == PF_W | PF_X {
                return broken("it is both writable and executable");
            }
            if load.flags & PF_R == 0 {
                return broken("it is not readable");
            }
            if load.address / PAGE * PAGE < free {
                return broken("it shares a page with the one before it, or is out of order");
            }
            free = load.end().next_multiple_of(PAGE);
        }
        match self.loads.first() {
            None => Err(Malformed::CutShort { what: "every loadable segment" }),
            Some(first) if first.address >= PAGE => {
                Err(Malformed::Segment { index: 0, reason: "it does not start at address 0" })
            }
            Some(_) => Ok(()),
        }
    }
}
