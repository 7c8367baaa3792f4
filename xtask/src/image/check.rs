//! The disassembly check: what the enclave image must not contain.
//!
//! Compilers, crates and hand-written assembly all end in one file, so the file is what is checked:
//! its headers and relocations ([`headers`]), the list of its ENCLU sites ([`sites`]), and every
//! instruction of every executable section ([`sweep`], which asks [`rules`]).

mod headers;
mod rules;
mod sites;
mod sweep;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context, Result};
use object::LittleEndian;
use object::elf::FileHeader64;
use object::read::elf::FileHeader as _;

/// The ELF file header of the image.
type Header = FileHeader64<LittleEndian>;

/// What the check found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Everything that must be mended.
    pub(crate) violations: Vec<Violation>,
    /// Bytes in pages of loadable segments: what EEXTEND measures of the image.
    pub(crate) measured_bytes: u64,
    /// Instructions decoded.
    pub(crate) instructions: usize,
    /// ENCLU sites listed in the note.
    pub(crate) sites: usize,
}

/// One thing that the image must not contain, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    /// Link-time address, where the violation has one.
    pub(crate) address: Option<u64>,
    /// `symbol+offset`, section or header, then the instruction or value found.
    pub(crate) detail: String,
}

/// Why something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Not a freestanding, self-relocating image.
    Headers,
    /// A relocation that the image cannot apply to itself, or one into code.
    Relocation,
    /// A symbol that nothing defines.
    Undefined,
    /// More measured bytes than the limit.
    TooLarge,
    /// The ENCLU note is absent, malformed, or lists something that is not a site.
    Note,
    /// Bytes that are no instruction, or an instruction that runs into the next function.
    Undecodable,
    /// A VEX instruction outside a routine named `avx_*`.
    Vex,
    /// An EVEX, XOP, MVEX or 3DNow! instruction.
    VectorEncoding,
    /// An instruction that faults in an enclave, whatever its operands.
    Illegal,
    /// An instruction for the kernel.
    Privileged,
    /// ENCLU outside the listed sites.
    StrayEnclu,
    /// A branch or pointer to the middle of an instruction.
    HiddenCode,
}

impl Rule {
    fn reason(self) -> &'static str {
        match self {
            Self::Headers => "not a freestanding static PIE",
            Self::Relocation => "only R_X86_64_RELATIVE outside code can be applied by the image",
            Self::Undefined => "undefined symbol",
            Self::TooLarge => "too many measured bytes",
            Self::Note => "ENCLU note",
            Self::Undecodable => "not an instruction",
            Self::Vex => "VEX encoding outside a routine named avx_*",
            Self::VectorEncoding => "vector encoding beyond SSE",
            Self::Illegal => "illegal in an enclave",
            Self::Privileged => "privileged instruction",
            Self::StrayEnclu => "ENCLU that is not a listed site",
            Self::HiddenCode => "target is not the start of an instruction",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{address:#x} {}: {}", self.detail, self.rule.reason()),
            None => write!(f, "{}: {}", self.detail, self.rule.reason()),
        }
    }
}

/// Checks an image. Fails only if the file is not ELF at all; everything else is a violation.
pub(crate) fn check(file: &[u8]) -> Result<Report> {
    let header = Header::parse(file).context("read the ELF header of the image")?;
    let mut report = Report::default();
    headers::check(header, file, &mut report)?;

    let sites = match sites::read(header, file)? {
        Ok(sites) => sites,
        Err(violation) => {
            report.violations.push(violation);
            BTreeSet::new()
        }
    };
    report.sites = sites.len();

    let sections = sweep::code(header, file)?;
    let pointers = headers::code_pointers(header, file)?;
    let swept = sweep::sweep(&sections, &sites, &pointers);
    report.instructions = swept.instructions;
    report.violations.extend(swept.violations);
    Ok(report)
}
