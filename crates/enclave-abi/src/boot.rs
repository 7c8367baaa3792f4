//! Arguments, environment and circumstances of a start, from host to enclave: untrusted.
//!
//! ```text
//! 0  magic    8 bytes "CSMBOOT2"
//! 8  argc     u32
//! 12 envc     u32
//! 16 ignored  u64: signals that the host process was started to ignore, bit n for signal n (`entry::event_of`)
//! 24 cpus     u32: processors that the host process may use
//! 28 reserved u32: 0
//! 32 strings  argc arguments, envc NAME=VALUE pairs, the working directory, the host path of the
//!             tree file: each ends in NUL
//! ```

use alloc::vec::Vec;

use crate::bytes::{u32_at, u64_at};

const MAGIC: &[u8; 8] = b"CSMBOOT2";
const STRINGS: usize = 32;

/// Largest blob in bytes, Linux's limit for arguments and environment together.
pub const MAX_LEN: usize = 2 << 20;

/// A boot blob that does not decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("boot blob is malformed: {reason}")]
pub struct Malformed {
    /// What is wrong with it.
    pub reason: &'static str,
}

/// What the host asks the enclave to run. Believed only as far as the manifest allows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Boot {
    /// Arguments; the first is the program's name.
    pub args: Vec<Vec<u8>>,
    /// Environment, each `NAME=VALUE`.
    pub env: Vec<Vec<u8>>,
    /// Working directory on the host.
    pub cwd: Vec<u8>,
    /// Host path of the file with the trusted files' leaf hashes; empty: there is none, and the
    /// hashes are made anew by reading each file.
    pub trees: Vec<u8>,
    /// Signals the host process was started to ignore, as `nohup` does: a set of events.
    pub ignored: u64,
    /// Processors the host process may use, by affinity and control group; 0: unknown.
    pub processors: u32,
}

impl Boot {
    /// Encodes the blob.
    ///
    /// # Errors
    /// [`Malformed`] when a string holds a NUL or the whole exceeds [`MAX_LEN`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, Malformed> {
        let count =
            |n: usize| u32::try_from(n).map_err(|_| Malformed { reason: "too many strings" });
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&count(self.args.len())?.to_le_bytes());
        out.extend_from_slice(&count(self.env.len())?.to_le_bytes());
        out.extend_from_slice(&self.ignored.to_le_bytes());
        out.extend_from_slice(&self.processors.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        for string in self.args.iter().chain(&self.env).chain([&self.cwd, &self.trees]) {
            if string.contains(&0) {
                return Err(Malformed { reason: "a string holds a NUL byte" });
            }
            out.extend_from_slice(string);
            out.push(0);
        }
        if out.len() > MAX_LEN {
            return Err(Malformed { reason: "arguments and environment exceed 2 MiB" });
        }
        Ok(out)
    }

    /// Decodes a blob.
    ///
    /// # Errors
    /// [`Malformed`] with the reason; no input panics.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_LEN {
            return Err(Malformed { reason: "longer than 2 MiB" });
        }
        if bytes.get(..8) != Some(MAGIC) {
            return Err(Malformed { reason: "wrong magic" });
        }
        let short = Malformed { reason: "header cut short" };
        let argc = u32_at(bytes, 8).ok_or(short)? as usize;
        let envc = u32_at(bytes, 12).ok_or(short)? as usize;
        let ignored = u64_at(bytes, 16).ok_or(short)?;
        let processors = u32_at(bytes, 24).ok_or(short)?;
        if u32_at(bytes, 28).ok_or(short)? != 0 {
            return Err(Malformed { reason: "a reserved word is not zero" });
        }
        let body = bytes.get(STRINGS..).ok_or(short)?;
        let Some((0, body)) = body.split_last() else {
            return Err(Malformed { reason: "last string is not terminated" });
        };
        let mut strings: Vec<Vec<u8>> = body.split(|&b| b == 0).map(<[u8]>::to_vec).collect();
        if argc.checked_add(envc).and_then(|n| n.checked_add(2)) != Some(strings.len()) {
            return Err(Malformed { reason: "string count does not fit the header" });
        }
        let trees = strings.pop().unwrap_or_default();
        let cwd = strings.pop().unwrap_or_default();
        let env = strings.split_off(argc);
        Ok(Self { args: strings, env, cwd, trees, ignored, processors })
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn boot() -> Boot {
        Boot {
            args: vec![b"sh".to_vec(), b"".to_vec(), b"-c".to_vec()],
            env: vec![b"A=1".to_vec()],
            cwd: b"/tmp".to_vec(),
            trees: b"/etc/casemate/manifest.trees".to_vec(),
            ignored: 1 << 1,
            processors: 3,
        }
    }

    #[test]
    fn blob_round_trips_with_empty_strings() {
        assert_eq!(Boot::from_bytes(&boot().to_bytes().unwrap()), Ok(boot()));
        let empty = Boot::default();
        assert_eq!(Boot::from_bytes(&empty.to_bytes().unwrap()), Ok(empty));
    }

    #[test]
    fn the_reserved_word_must_be_zero() {
        let mut bytes = boot().to_bytes().unwrap();
        bytes[28] = 1;
        assert!(Boot::from_bytes(&bytes).is_err());
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = boot().to_bytes().unwrap();
        for len in 0..bytes.len() {
            assert!(Boot::from_bytes(&bytes[..len]).is_err(), "length {len}");
        }
    }

    #[test]
    fn a_nul_inside_a_string_is_refused() {
        let bad = Boot { cwd: b"/a\0b".to_vec(), ..boot() };
        assert!(bad.to_bytes().is_err());
    }
}
