//! Decodes all code of the image: a linear sweep that starts anew at every symbol.
//!
//! A sweep alone could be led astray by data between functions, so it restarts at each symbol,
//! refuses bytes that do not decode, and refuses branches and pointers to anything that it did not
//! see as the start of an instruction.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use anyhow::{Context, Result};
use iced_x86::{Decoder, DecoderOptions, Formatter as _, Instruction, Mnemonic, NasmFormatter};
use object::LittleEndian;
use object::elf;
use object::read::elf::{FileHeader as _, SectionHeader as _, Sym as _};

use super::sites::SITE;
use super::{Header, Rule, Violation, rules};

const ENDIAN: LittleEndian = LittleEndian;

/// Routines with this prefix save and restore the extended state themselves.
const AVX_PREFIX: &str = "avx_";

/// An executable section.
pub(super) struct Code<'data> {
    pub(super) address: u64,
    pub(super) bytes: &'data [u8],
    /// By address; at one address the sized symbol wins.
    pub(super) symbols: BTreeMap<u64, Symbol>,
}

/// A place in code that has a name.
pub(super) struct Symbol {
    pub(super) name: String,
    /// Zero where the assembler was not told.
    pub(super) size: u64,
}

/// What a sweep found.
#[derive(Default)]
pub(super) struct Swept {
    pub(super) violations: Vec<Violation>,
    pub(super) instructions: usize,
}

/// The executable sections of the image with their symbols.
pub(super) fn code<'data>(header: &Header, file: &'data [u8]) -> Result<Vec<Code<'data>>> {
    let sections = header.sections(ENDIAN, file).context("read the section headers")?;
    let table = sections.symbols(ENDIAN, file, elf::SHT_SYMTAB).context("read the symbol table")?;
    let mut found = Vec::new();
    for (index, section) in sections.enumerate() {
        if !section.sh_flags(ENDIAN).contains(elf::SHF_EXECINSTR) {
            continue;
        }
        let bytes = section.data(ENDIAN, file).context("read an executable section")?;
        let mut symbols = BTreeMap::new();
        for symbol in table.iter() {
            let kind = symbol.st_type();
            if usize::from(symbol.st_shndx(ENDIAN).0) != index.0
                || (kind != elf::STT_FUNC && kind != elf::STT_NOTYPE)
            {
                continue;
            }
            let name = symbol.name(ENDIAN, table.strings()).context("read a symbol name")?;
            let name = String::from_utf8_lossy(name).into_owned();
            let size = symbol.st_size(ENDIAN);
            let entry = symbols.entry(symbol.st_value(ENDIAN));
            let kept = entry.or_insert_with(|| Symbol { name: name.clone(), size });
            if kept.size == 0 && size != 0 {
                *kept = Symbol { name, size };
            }
        }
        found.push(Code { address: section.sh_addr(ENDIAN), bytes, symbols });
    }
    Ok(found)
}

/// Decodes every section and judges every instruction. `sites` are the listed ENCLU sites,
/// `pointers` the addresses in code that data points to.
pub(super) fn sweep(code: &[Code<'_>], sites: &BTreeSet<u64>, pointers: &[u64]) -> Swept {
    let mut sweep = Sweep::new(sites);
    for section in code {
        sweep.section(section);
    }
    sweep.finish(pointers)
}

struct Sweep<'sites> {
    sites: &'sites BTreeSet<u64>,
    sites_seen: BTreeSet<u64>,
    starts: HashSet<u64>,
    /// Direct branches: source, target, name of the source.
    branches: Vec<(u64, u64, String)>,
    formatter: NasmFormatter,
    swept: Swept,
}

impl<'sites> Sweep<'sites> {
    fn new(sites: &'sites BTreeSet<u64>) -> Self {
        Self {
            sites,
            sites_seen: BTreeSet::new(),
            starts: HashSet::new(),
            branches: Vec::new(),
            formatter: NasmFormatter::new(),
            swept: Swept::default(),
        }
    }

    fn section(&mut self, code: &Code<'_>) {
        let end = code.address + code.bytes.len() as u64;
        let mut bounds: BTreeSet<u64> = [code.address, end].into();
        for (&start, symbol) in &code.symbols {
            bounds.extend([start, start.saturating_add(symbol.size)]);
        }
        let bounds: Vec<u64> =
            bounds.into_iter().filter(|bound| (code.address..=end).contains(bound)).collect();
        for piece in bounds.windows(2) {
            self.piece(code, piece[0], piece[1]);
        }
    }

    /// Decodes from one bound to the next.
    fn piece(&mut self, code: &Code<'_>, start: u64, end: u64) {
        let offset = |address: u64| usize::try_from(address - code.address).unwrap_or(usize::MAX);
        let bytes = code.bytes.get(offset(start)..offset(end)).unwrap_or_default();
        let owner = Owner::of(code, start);
        let mut decoder = Decoder::with_ip(64, bytes, start, DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        while decoder.can_decode() {
            decoder.decode_out(&mut instruction);
            self.swept.instructions += 1;
            let following = bytes.get(offset(instruction.ip()) - offset(start)..);
            self.instruction(&instruction, &owner, following.unwrap_or_default());
        }
    }

    fn instruction(&mut self, instruction: &Instruction, owner: &Owner, bytes: &[u8]) {
        let address = instruction.ip();
        if instruction.is_invalid() {
            let shown = &bytes[..bytes.len().min(8)];
            let detail = format!("{} {shown:02x?}", owner.place(address));
            self.refuse(Rule::Undecodable, address, detail);
            return;
        }
        self.starts.insert(address);
        if let Some(target) = direct_target(instruction) {
            self.branches.push((address, target, owner.place(address)));
        }
        if instruction.mnemonic() == Mnemonic::Enclu {
            if self.sites.contains(&address) && bytes.starts_with(&SITE) {
                self.sites_seen.insert(address);
            } else {
                self.refuse(Rule::StrayEnclu, address, owner.place(address));
            }
        } else if let Some(rule) = rules::judge(instruction, owner.is_avx_routine) {
            let mut text = String::new();
            self.formatter.format(instruction, &mut text);
            self.refuse(rule, address, format!("{} `{text}`", owner.place(address)));
        }
    }

    /// Judges what needs the whole picture.
    fn finish(mut self, pointers: &[u64]) -> Swept {
        let absent: Vec<u64> = self.sites.difference(&self.sites_seen).copied().collect();
        for site in absent {
            let detail = "listed site is not ENCLU and a five-byte no-op";
            self.refuse(Rule::Note, site, detail.to_owned());
        }
        for (source, target, place) in std::mem::take(&mut self.branches) {
            if !self.is_entry(target) {
                self.refuse(Rule::HiddenCode, source, format!("{place} branches to {target:#x}"));
            }
        }
        for &target in pointers {
            if !self.is_entry(target) {
                let detail = format!("data points to {target:#x}");
                self.refuse(Rule::HiddenCode, target, detail);
            }
        }
        self.swept
    }

    /// Whether control may arrive at an address: the start of an instruction, and not the no-op of
    /// an ENCLU site, which the emulator overwrites.
    fn is_entry(&self, address: u64) -> bool {
        self.starts.contains(&address) && !self.sites_seen.contains(&address.wrapping_sub(3))
    }

    fn refuse(&mut self, rule: Rule, address: u64, detail: String) {
        self.swept.violations.push(Violation { rule, address: Some(address), detail });
    }
}

fn direct_target(instruction: &Instruction) -> Option<u64> {
    let direct = instruction.is_jmp_short_or_near()
        || instruction.is_jcc_short_or_near()
        || instruction.is_call_near()
        || instruction.is_loop()
        || instruction.is_loopcc()
        || instruction.is_jcx_short()
        || instruction.mnemonic() == Mnemonic::Xbegin;
    direct.then(|| instruction.near_branch_target())
}

/// The function that a piece of code belongs to.
struct Owner {
    name: String,
    start: u64,
    is_avx_routine: bool,
}

impl Owner {
    /// The innermost symbol that covers the address; without one, the last symbol before it.
    fn of(code: &Code<'_>, address: u64) -> Self {
        let before = || code.symbols.range(..=address).rev();
        let covers = |start: u64, symbol: &Symbol| address < start.saturating_add(symbol.size);
        let covering = before().find(|(start, symbol)| covers(**start, symbol));
        let is_avx_routine =
            covering.is_some_and(|(_, symbol)| symbol.name.starts_with(AVX_PREFIX));
        match covering.or_else(|| before().next()) {
            Some((&start, symbol)) => Self { name: symbol.name.clone(), start, is_avx_routine },
            None => Self { name: "code".to_owned(), start: code.address, is_avx_routine },
        }
    }

    fn place(&self, address: u64) -> String {
        format!("{}+{:#x}", self.name, address - self.start)
    }
}
