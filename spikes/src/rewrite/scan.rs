//! Finds `syscall` instructions by decoding, and what a rewriter must know about the code around.

use std::collections::BTreeSet;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, OpKind};

use crate::elf::{Elf, Section};

/// The code of one file.
#[derive(Debug)]
pub(super) struct CodeMap {
    /// Occurrences of the bytes 0f 05, whatever they are part of.
    pub(super) byte_matches: usize,
    pub(super) sections: Vec<Section>,
    sites: Vec<Site>,
    /// Direct branch targets, function starts and code addresses taken with `lea`.
    targets: BTreeSet<u64>,
}

/// A `syscall` instruction.
#[derive(Debug, Clone)]
pub(super) struct Site {
    /// Address in the file.
    pub(super) addr: u64,
    /// Whether symbols, frame descriptions or Go's table say that a function lies here.
    pub(super) confirmed: bool,
    /// Whether the bytes before it are `mov $15, %rax`: a signal return. Not left to the decoder,
    /// because glibc describes the frame of its stub from one byte before the first instruction.
    pub(super) signal_return: bool,
    /// Whether the function jumps through a register or memory: then targets may be missing.
    pub(super) indirect_jumps: bool,
    /// Up to [`BEFORE`] instructions before it, nearest last.
    pub(super) before: Vec<Instruction>,
}

/// Instructions kept before a site; five bytes never need more.
const BEFORE: usize = 5;
/// `mov $15, %rax`: unwinders and debuggers know a signal frame by these bytes.
const SIGNAL_RETURN: &[u8] = &[0x48, 0xc7, 0xc0, 15, 0, 0, 0];

impl CodeMap {
    pub(super) fn sites(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter()
    }

    /// Whether something may jump to `addr`, as far as direct branches show.
    pub(super) fn is_target(&self, addr: u64) -> bool {
        self.targets.contains(&addr)
    }
}

/// Decodes all code of an ELF file; `None` if it is not one.
pub(super) fn scan(bytes: &[u8]) -> Option<CodeMap> {
    let elf = Elf::parse(bytes)?;
    let functions = elf.functions();
    let mut code = CodeMap {
        byte_matches: 0,
        sections: elf.code().map(|(section, _)| section.clone()).collect(),
        sites: Vec::new(),
        targets: functions.keys().copied().collect(),
    };
    for (section, bytes) in elf.code() {
        code.byte_matches += bytes.windows(2).filter(|pair| *pair == [0x0f, 0x05]).count();
        let end = section.addr + bytes.len() as u64;
        let mut at = section.addr;
        // Functions in order; what lies between them is decoded too but not confirmed.
        for (&start, &stop) in functions.range(section.addr..end) {
            if start > at {
                code.decode(section, bytes, at..start, false);
            }
            if stop > at.max(start) {
                code.decode(section, bytes, at.max(start)..stop.min(end), true);
                at = stop.min(end);
            }
        }
        code.decode(section, bytes, at..end, false);
    }
    Some(code)
}

impl CodeMap {
    fn decode(
        &mut self,
        section: &Section,
        bytes: &[u8],
        range: std::ops::Range<u64>,
        confirmed: bool,
    ) {
        let offset = |addr: u64| (addr - section.addr) as usize;
        let bytes = &bytes[offset(range.start)..offset(range.end)];
        let mut decoder = Decoder::with_ip(64, bytes, range.start, DecoderOptions::NONE);
        let mut before: Vec<Instruction> = Vec::new();
        let (first, mut indirect_jumps) = (self.sites.len(), false);
        while decoder.can_decode() {
            let instruction = decoder.decode();
            self.note_targets(&instruction);
            indirect_jumps |= instruction.flow_control() == FlowControl::IndirectBranch;
            if instruction.code() == Code::Syscall {
                let before = before.clone();
                let addr = instruction.ip();
                let signal_return = bytes[..(addr - range.start) as usize].ends_with(SIGNAL_RETURN);
                self.sites.push(Site {
                    addr,
                    confirmed,
                    signal_return,
                    indirect_jumps: false,
                    before,
                });
            }
            if before.len() == BEFORE {
                before.remove(0);
            }
            before.push(instruction);
        }
        for site in &mut self.sites[first..] {
            site.indirect_jumps = indirect_jumps;
        }
    }

    fn note_targets(&mut self, instruction: &Instruction) {
        if matches!(instruction.op0_kind(), OpKind::NearBranch64) {
            self.targets.insert(instruction.near_branch64());
        }
        if instruction.code() == Code::Lea_r64_m && instruction.is_ip_rel_memory_operand() {
            self.targets.insert(instruction.ip_rel_memory_address());
        }
    }
}
