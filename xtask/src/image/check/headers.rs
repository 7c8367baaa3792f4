//! Headers, segments, symbols and relocations: is the file a freestanding image that can relocate
//! itself?

use anyhow::{Context, Result};
use object::LittleEndian;
use object::elf;
use object::read::elf::SectionHeader as _;
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader, Rela as _, Sym as _};

use super::{Header, Report, Rule, Violation};

const ENDIAN: LittleEndian = LittleEndian;
const PAGE: u64 = 4096;

/// The most bytes of the image that may be measured.
pub(crate) const MEASURED_LIMIT: u64 = 3 << 20;

/// Appends what is wrong with everything but the instructions, and fills in the measured size.
pub(super) fn check(header: &Header, file: &[u8], report: &mut Report) -> Result<()> {
    file_header(header, report);
    segments(header, file, report)?;
    symbols(header, file, report)?;
    relocations(header, file, report)
}

fn refuse(report: &mut Report, rule: Rule, address: Option<u64>, detail: impl Into<String>) {
    report.violations.push(Violation { rule, address, detail: detail.into() });
}

fn file_header(header: &Header, report: &mut Report) {
    let (kind, machine) = (header.e_type(ENDIAN), header.e_machine(ENDIAN));
    if kind != elf::ET_DYN {
        refuse(report, Rule::Headers, None, format!("e_type {kind}, expected ET_DYN"));
    }
    if machine != elf::EM_X86_64 {
        refuse(report, Rule::Headers, None, format!("e_machine {machine}, expected EM_X86_64"));
    }
}

fn segments(header: &Header, file: &[u8], report: &mut Report) -> Result<()> {
    for segment in header.program_headers(ENDIAN, file).context("read the program headers")? {
        let address = Some(segment.p_vaddr(ENDIAN));
        let flags = segment.p_flags(ENDIAN);
        match segment.p_type(ENDIAN) {
            elf::PT_LOAD => {
                if flags.contains(elf::PF_W) && flags.contains(elf::PF_X) {
                    refuse(report, Rule::Headers, address, "segment both writable and executable");
                }
                report.measured_bytes += page_bytes(segment);
            }
            elf::PT_INTERP => {
                refuse(report, Rule::Headers, address, "PT_INTERP, expected no interpreter");
            }
            elf::PT_TLS => {
                refuse(report, Rule::Headers, address, "PT_TLS, expected no thread-local storage");
            }
            elf::PT_GNU_STACK if flags.contains(elf::PF_X) => {
                refuse(report, Rule::Headers, None, "executable stack");
            }
            elf::PT_DYNAMIC => dynamic(segment, file, report)?,
            _ => {}
        }
    }
    if report.measured_bytes > MEASURED_LIMIT {
        let found = report.measured_bytes;
        let detail = format!("{found} bytes in loadable pages, limit {MEASURED_LIMIT}");
        refuse(report, Rule::TooLarge, None, detail);
    }
    Ok(())
}

/// Bytes of the pages that a segment touches.
fn page_bytes(segment: &impl ProgramHeader<Endian = LittleEndian, Word = u64>) -> u64 {
    let start = segment.p_vaddr(ENDIAN);
    let end = start.saturating_add(segment.p_memsz(ENDIAN));
    end.div_ceil(PAGE).saturating_sub(start / PAGE).saturating_mul(PAGE)
}

fn dynamic(
    segment: &elf::ProgramHeader64<LittleEndian>,
    file: &[u8],
    report: &mut Report,
) -> Result<()> {
    let entries = segment.dynamic(ENDIAN, file).context("read the dynamic segment")?;
    for entry in entries.unwrap_or_default() {
        let name = match entry.d_tag(ENDIAN) {
            elf::DT_NEEDED => "DT_NEEDED, expected no shared libraries",
            elf::DT_TEXTREL => "DT_TEXTREL, expected no relocations in code",
            elf::DT_RELR => "DT_RELR, expected DT_RELA only",
            elf::DT_REL => "DT_REL, expected DT_RELA only",
            elf::DT_INIT_ARRAY => "DT_INIT_ARRAY, expected no initialisers",
            _ => continue,
        };
        refuse(report, Rule::Headers, Some(segment.p_vaddr(ENDIAN)), name);
    }
    Ok(())
}

fn symbols(header: &Header, file: &[u8], report: &mut Report) -> Result<()> {
    let sections = header.sections(ENDIAN, file).context("read the section headers")?;
    for kind in [elf::SHT_SYMTAB, elf::SHT_DYNSYM] {
        let table = sections.symbols(ENDIAN, file, kind).context("read a symbol table")?;
        for (index, symbol) in table.enumerate() {
            // The entry of index 0 is null in every table.
            if index.0 != 0 && symbol.is_undefined(ENDIAN) {
                let name = symbol.name(ENDIAN, table.strings()).context("read a symbol name")?;
                let name = String::from_utf8_lossy(name);
                refuse(report, Rule::Undefined, None, format!("symbol `{name}`"));
            }
        }
    }
    Ok(())
}

fn relocations(header: &Header, file: &[u8], report: &mut Report) -> Result<()> {
    let sections = header.sections(ENDIAN, file).context("read the section headers")?;
    for section in sections.iter() {
        if !section.sh_flags(ENDIAN).contains(elf::SHF_ALLOC) {
            continue;
        }
        if section.sh_type(ENDIAN) == elf::SHT_REL {
            let address = Some(section.sh_addr(ENDIAN));
            refuse(report, Rule::Relocation, address, "SHT_REL section");
        }
        let Some((relocations, _)) = section.rela(ENDIAN, file).context("read relocations")? else {
            continue;
        };
        for relocation in relocations {
            let address = relocation.r_offset(ENDIAN);
            let kind = relocation.r_type(ENDIAN, false);
            if kind != elf::R_X86_64_RELATIVE {
                let detail = format!("relocation type {kind}");
                refuse(report, Rule::Relocation, Some(address), detail);
            }
            if executable_at(header, file, address)? {
                refuse(report, Rule::Relocation, Some(address), "relocation in code");
            }
        }
    }
    Ok(())
}

fn executable_at(header: &Header, file: &[u8], address: u64) -> Result<bool> {
    let segments = header.program_headers(ENDIAN, file).context("read the program headers")?;
    Ok(segments.iter().any(|segment| {
        let start = segment.p_vaddr(ENDIAN);
        segment.p_type(ENDIAN) == elf::PT_LOAD
            && segment.p_flags(ENDIAN).contains(elf::PF_X)
            && (start..start.saturating_add(segment.p_memsz(ENDIAN))).contains(&address)
    }))
}

/// Addresses in code that relocated data points to: function pointers and absolute jump tables.
pub(super) fn code_pointers(header: &Header, file: &[u8]) -> Result<Vec<u64>> {
    let sections = header.sections(ENDIAN, file).context("read the section headers")?;
    let mut pointers = Vec::new();
    for section in sections.iter() {
        let relocations = section.rela(ENDIAN, file).context("read relocations")?;
        let Some((relocations, _)) = relocations else { continue };
        for relocation in relocations {
            let target = u64::from_ne_bytes(relocation.r_addend(ENDIAN).to_ne_bytes());
            if relocation.r_type(ENDIAN, false) == elf::R_X86_64_RELATIVE
                && executable_at(header, file, target)?
            {
                pointers.push(target);
            }
        }
    }
    Ok(pointers)
}
