//! The compiled manifest.

use alloc::vec::Vec;

use crate::codec::{Malformed, Reader, Writer};
use crate::{FileMap, Pattern, is_canonical_path};

const MAGIC: &[u8; 8] = b"CSMMANI1";

const FLAG_EDMM: u32 = 1;
const FLAG_DEBUG: u32 = 2;
const FLAG_DEV: u32 = 4;

const CWD_FIXED: u8 = 0;
const CWD_HOST: u8 = 1;
const VALUE_FIXED: u8 = 0;
const VALUE_HOST: u8 = 1;

/// A frozen manifest, as the enclave carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// How the enclave is laid out and signed.
    pub enclave: Enclave,
    /// What it runs.
    pub program: Program,
    /// What it sees as files.
    pub files: FileMap,
}

/// Layout and identity of the enclave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enclave {
    /// Size of ELRANGE in bytes.
    pub elrange_size: u64,
    /// Thread blocks added when the enclave is built.
    pub threads: u32,
    /// Bytes of runtime heap added when the enclave is built.
    pub heap_initial: u64,
    /// Whether memory is added, restricted and removed at run time (SGX2).
    pub edmm: bool,
    /// Whether ATTRIBUTES.DEBUG is set.
    pub debug: bool,
    /// Whether this is a `--dev` manifest: host files may be recorded at first use.
    pub dev: bool,
    /// ISVPRODID of the SIGSTRUCT.
    pub isvprodid: u16,
    /// ISVSVN of the SIGSTRUCT.
    pub isvsvn: u16,
    /// The extended state the enclave may use at most: an XFRM mask.
    pub xfrm_max: u64,
}

/// What runs, and what the host may say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Path of the program inside the enclave.
    pub entrypoint: Vec<u8>,
    /// Arguments after `argv[0]` that are always given, before those of the host.
    pub args: Vec<Vec<u8>>,
    /// Every argument of the host must match one of these; none: no arguments from the host.
    pub host_args: Vec<Pattern>,
    /// Rules of the environment, in ascending order of name. A fixed value wins; a variable of the
    /// host is kept when any rule allows it.
    pub env: Vec<EnvRule>,
    /// Working directory.
    pub cwd: Cwd,
}

/// A rule about environment variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvRule {
    /// The names it is about; a literal name for a fixed value.
    pub name: Pattern,
    /// Where the value comes from.
    pub value: EnvValue,
}

/// Where the value of a variable comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    /// The manifest.
    Fixed(Vec<u8>),
    /// The host, if the value matches.
    Host(Pattern),
}

/// Where the program starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cwd {
    /// A directory inside the enclave.
    Fixed(Vec<u8>),
    /// The directory `casemate run` was started in, untrusted.
    Host,
}

impl Compiled {
    /// Encodes the manifest; equal manifests give equal bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.raw(MAGIC);
        self.enclave.write(&mut w);
        self.program.write(&mut w);
        self.files.write(&mut w);
        w.out
    }

    /// Decodes a manifest.
    ///
    /// # Errors
    /// [`Malformed`] with the offset and the reason; no input panics, and none that encodes
    /// differently is accepted.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        if r.take(MAGIC.len())? != MAGIC {
            return Err(Malformed { at: 0, reason: "wrong magic" });
        }
        let enclave = Enclave::read(&mut r)?;
        let program = Program::read(&mut r)?;
        let refused = r.malformed("files are recorded at first use without the dev flag");
        let files = FileMap::read(&mut r)?;
        if !enclave.dev && files.records() {
            return Err(refused);
        }
        r.end()?;
        Ok(Self { enclave, program, files })
    }
}

impl Enclave {
    fn write(&self, w: &mut Writer) {
        let flag = |set: bool, bit: u32| if set { bit } else { 0 };
        w.u32(flag(self.edmm, FLAG_EDMM) | flag(self.debug, FLAG_DEBUG) | flag(self.dev, FLAG_DEV));
        w.u32(self.threads);
        w.u64(self.elrange_size);
        w.u64(self.heap_initial);
        w.u64(self.xfrm_max);
        w.u16(self.isvprodid);
        w.u16(self.isvsvn);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let unknown = r.malformed("unknown flags");
        let flags = r.u32()?;
        if flags & !(FLAG_EDMM | FLAG_DEBUG | FLAG_DEV) != 0 {
            return Err(unknown);
        }
        Ok(Self {
            edmm: flags & FLAG_EDMM != 0,
            debug: flags & FLAG_DEBUG != 0,
            dev: flags & FLAG_DEV != 0,
            threads: r.u32()?,
            elrange_size: r.u64()?,
            heap_initial: r.u64()?,
            xfrm_max: r.u64()?,
            isvprodid: r.u16()?,
            isvsvn: r.u16()?,
        })
    }
}

impl Program {
    fn write(&self, w: &mut Writer) {
        w.bytes(&self.entrypoint);
        w.list(&self.args, |w, arg| w.bytes(arg));
        w.list(&self.host_args, |w, pattern| w.bytes(pattern.as_bytes()));
        w.list(&self.env, |w, rule| rule.write(w));
        match &self.cwd {
            Cwd::Fixed(path) => {
                w.u8(CWD_FIXED);
                w.bytes(path);
            }
            Cwd::Host => w.u8(CWD_HOST),
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let refused = r.malformed("entrypoint is not a canonical path");
        let entrypoint = r.bytes()?;
        if !is_canonical_path(&entrypoint) {
            return Err(refused);
        }
        let args = r.list(Reader::bytes)?;
        let host_args = r.list(|r| Ok(Pattern::new(r.bytes()?)))?;
        let unordered = r.malformed("environment rules are not in ascending order");
        let env = r.list(EnvRule::read)?;
        if !env.windows(2).all(|w| matches!(w, [a, b] if a.name < b.name)) {
            return Err(unordered);
        }
        Ok(Self { entrypoint, args, host_args, env, cwd: Cwd::read(r)? })
    }
}

impl Cwd {
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let refused = r.malformed("working directory is neither a canonical path nor the host's");
        match r.u8()? {
            CWD_FIXED => {
                let path = r.bytes()?;
                if is_canonical_path(&path) { Ok(Self::Fixed(path)) } else { Err(refused) }
            }
            CWD_HOST => Ok(Self::Host),
            _ => Err(refused),
        }
    }
}

impl EnvRule {
    fn write(&self, w: &mut Writer) {
        w.bytes(self.name.as_bytes());
        match &self.value {
            EnvValue::Fixed(value) => {
                w.u8(VALUE_FIXED);
                w.bytes(value);
            }
            EnvValue::Host(pattern) => {
                w.u8(VALUE_HOST);
                w.bytes(pattern.as_bytes());
            }
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let name = Pattern::new(r.bytes()?);
        let refused = r.malformed("unknown kind of environment rule");
        let value = match r.u8()? {
            VALUE_FIXED => EnvValue::Fixed(r.bytes()?),
            VALUE_HOST => EnvValue::Host(Pattern::new(r.bytes()?)),
            _ => return Err(refused),
        };
        Ok(Self { name, value })
    }
}

#[cfg(test)]
pub(crate) mod tests;
