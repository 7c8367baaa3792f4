//! The file a platform is kept in.
//!
//! Text, one `name = hex` a line after a first line with the format's name; every field once, in
//! any order, and nothing else. Reading is total: any other bytes give an error that names the
//! line.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use core::fmt::Write as _;

use crypto::Secret;

use super::{Fuses, Platform, PlatformInfo};

/// First line of the file.
const FORMAT: &str = "casemate emulated platform 1";

/// Longest file that is read, in bytes; a whole one is below 1 KiB.
pub(super) const MAX_SIZE: u64 = 4096;

/// Why bytes are no platform file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The file is longer than a platform file can be, or not UTF-8.
    #[error("expected text of at most {MAX_SIZE} bytes")]
    NotText,
    /// The first line is another.
    #[error("expected the first line \"{FORMAT}\"")]
    Format,
    /// A line is not `name = hex` with a known name, or its value has another length.
    #[error("line {line}: expected \"name = hex\" with a known name and a value of its length")]
    Line {
        /// Number of the line, from 1.
        line: usize,
    },
    /// A field is there twice.
    #[error("line {line}: field {field} was given before")]
    Twice {
        /// Number of the line, from 1.
        line: usize,
        /// The field.
        field: &'static str,
    },
    /// A field is missing.
    #[error("field {field} is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
}

const ROOT_PROVISION_KEY: &str = "root_provision_key";
const ROOT_SEAL_KEY: &str = "root_seal_key";
const OWNER_EPOCH: &str = "owner_epoch";
const REPORT_KEYID: &str = "report_keyid";
const CPUSVN: &str = "cpusvn";
const PCESVN: &str = "pcesvn";
const PCEID: &str = "pceid";
const FMSPC: &str = "fmspc";
const PPID: &str = "ppid";
const QE_ID: &str = "qe_id";
const PLATFORM_INSTANCE_ID: &str = "platform_instance_id";

/// Every field with its length in bytes.
const FIELDS: [(&str, usize); 11] = [
    (ROOT_PROVISION_KEY, 16),
    (ROOT_SEAL_KEY, 16),
    (OWNER_EPOCH, 16),
    (REPORT_KEYID, 32),
    (CPUSVN, 16),
    (PCESVN, 2),
    (PCEID, 2),
    (FMSPC, 6),
    (PPID, 16),
    (QE_ID, 16),
    (PLATFORM_INSTANCE_ID, 16),
];

/// The text of the file. Numbers are big-endian.
pub(super) fn write(platform: &Platform) -> Secret<String> {
    let (info, fuses) = (&platform.public, &platform.fuses);
    let mut text = format!("{FORMAT}\n");
    let mut line = |name: &str, value: &[u8]| {
        let hex = value.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a String does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let _ = writeln!(text, "{name} = {hex}");
    };
    line(ROOT_PROVISION_KEY, fuses.root_provision_key());
    line(ROOT_SEAL_KEY, fuses.root_seal_key());
    line(OWNER_EPOCH, &fuses.owner_epoch);
    line(REPORT_KEYID, &fuses.report_keyid);
    line(CPUSVN, &info.cpusvn);
    line(PCESVN, &info.pcesvn.to_be_bytes());
    line(PCEID, &info.pceid.to_be_bytes());
    line(FMSPC, &info.fmspc);
    line(PPID, &info.ppid);
    line(QE_ID, &info.qe_id);
    line(PLATFORM_INSTANCE_ID, &info.platform_instance_id);
    Secret::new(text)
}

/// Reads the file of the platform called `name`.
pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Platform, FileError> {
    if u64::try_from(bytes.len()).map_or(true, |length| length > MAX_SIZE) {
        return Err(FileError::NotText);
    }
    let text = core::str::from_utf8(bytes).map_err(|_| FileError::NotText)?;
    let fields = Fields::parse(text)?;
    let fuses = Fuses {
        root_provision_key: Secret::new(fields.value(ROOT_PROVISION_KEY)?),
        root_seal_key: Secret::new(fields.value(ROOT_SEAL_KEY)?),
        owner_epoch: fields.value(OWNER_EPOCH)?,
        report_keyid: fields.value(REPORT_KEYID)?,
    };
    let public = PlatformInfo {
        cpusvn: fields.value(CPUSVN)?,
        pcesvn: u16::from_be_bytes(fields.value(PCESVN)?),
        pceid: u16::from_be_bytes(fields.value(PCEID)?),
        fmspc: fields.value(FMSPC)?,
        ppid: fields.value(PPID)?,
        qe_id: fields.value(QE_ID)?,
        platform_instance_id: fields.value(PLATFORM_INSTANCE_ID)?,
    };
    Ok(Platform { name: name.to_owned(), public, fuses })
}

/// The fields found.
struct Fields(Vec<(&'static str, Secret<Vec<u8>>)>);

impl Fields {
    fn parse(text: &str) -> Result<Self, FileError> {
        let mut lines = (1..).zip(text.lines());
        if lines.next().map(|(_, line)| line) != Some(FORMAT) {
            return Err(FileError::Format);
        }
        let mut fields = Self(Vec::new());
        for (line, content) in lines {
            let (field, value) = parse_line(content).ok_or(FileError::Line { line })?;
            if fields.find(field).is_some() {
                return Err(FileError::Twice { line, field });
            }
            fields.0.push((field, value));
        }
        Ok(fields)
    }

    fn find(&self, field: &str) -> Option<&Secret<Vec<u8>>> {
        self.0.iter().find(|(name, _)| *name == field).map(|(_, value)| value)
    }

    fn value<const N: usize>(&self, field: &'static str) -> Result<[u8; N], FileError> {
        let value = self.find(field).ok_or(FileError::Missing { field })?;
        value.expose().as_slice().try_into().map_err(|_| FileError::Missing { field })
    }
}

fn parse_line(line: &str) -> Option<(&'static str, Secret<Vec<u8>>)> {
    let (name, value) = line.split_once(" = ")?;
    let (field, size) = FIELDS.iter().find(|(field, _)| *field == name)?;
    let bytes = Secret::new(parse_hex(value)?);
    (bytes.expose().len() == *size).then_some((*field, bytes))
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(nibble(*high)?.wrapping_shl(4) | nibble(*low)?),
            _ => None,
        })
        .collect()
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
