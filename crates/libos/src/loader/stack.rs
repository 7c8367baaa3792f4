//! The first thread's stack: arguments, environment and auxiliary vector, as the System V ABI
//! (AMD64 supplement, section 3.4.1) and `getauxval(3)` define them.

use alloc::vec::Vec;

use crate::errno::{Errno, Result};

/// Most bytes arguments and environment may take, a quarter of the stack as on Linux.
const STRINGS_MAX: usize = 2 << 20;

const AT_PHDR: u64 = 3;
const AT_PHENT: u64 = 4;
const AT_PHNUM: u64 = 5;
const AT_PAGESZ: u64 = 6;
const AT_BASE: u64 = 7;
const AT_FLAGS: u64 = 8;
const AT_ENTRY: u64 = 9;
const AT_UID: u64 = 11;
const AT_EUID: u64 = 12;
const AT_GID: u64 = 13;
const AT_EGID: u64 = 14;
const AT_PLATFORM: u64 = 15;
const AT_HWCAP: u64 = 16;
const AT_CLKTCK: u64 = 17;
const AT_SECURE: u64 = 23;
const AT_RANDOM: u64 = 25;
const AT_HWCAP2: u64 = 26;
const AT_EXECFN: u64 = 31;
const AT_SYSINFO_EHDR: u64 = 33;
const AT_MINSIGSTKSZ: u64 = 51;

/// Whether arguments and environment are short enough.
///
/// # Errors
/// E2BIG.
pub(crate) fn check(args: &[Vec<u8>], env: &[Vec<u8>]) -> Result<()> {
    let bytes: usize = args.iter().chain(env).map(|s| s.len() + 1 + size_of::<u64>()).sum();
    if bytes > STRINGS_MAX { Err(Errno::E2BIG) } else { Ok(()) }
}

/// What the stack tells the program.
#[derive(Debug)]
pub(crate) struct Initial<'a> {
    pub(crate) args: &'a [Vec<u8>],
    pub(crate) env: &'a [Vec<u8>],
    /// Path the program was started by.
    pub(crate) execfn: &'a [u8],
    pub(crate) random: [u8; 16],
    pub(crate) headers_at: u64,
    pub(crate) header_count: u64,
    pub(crate) entry: u64,
    /// Where the interpreter is loaded, 0 without one.
    pub(crate) interpreter_base: u64,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Where the vDSO is.
    pub(crate) vdso: u64,
    /// CPUID leaf 1, EDX.
    pub(crate) hwcap: u64,
}

impl Initial<'_> {
    /// The bytes at the end of the stack that ends at `top`: the address they start at, which RSP is, and
    /// the bytes.
    ///
    /// # Errors
    /// E2BIG when arguments and environment are too long.
    pub(crate) fn build(&self, top: u64) -> Result<(u64, Vec<u8>)> {
        let mut strings = Strings { top, bytes: Vec::new() };
        // Strings grow downwards here: what is pushed first ends up highest.
        let execfn = strings.push_string(self.execfn)?;
        let env = self.push_all(&mut strings, self.env)?;
        let args = self.push_all(&mut strings, self.args)?;
        let platform = strings.push_string(b"x86_64")?;
        let random = strings.push(&self.random)?;
        let mut words = alloc::vec![self.args.len() as u64];
        words.extend(args);
        words.push(0);
        words.extend(env);
        words.push(0);
        words.extend(self.auxiliary(execfn, platform, random));
        let below = strings.at() & !15;
        let size = words.len() as u64 * 8;
        let rsp = below.checked_sub(size).ok_or(Errno::E2BIG)? & !15;
        let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let gap = usize::try_from(strings.at() - rsp).map_err(|_| Errno::E2BIG)?;
        bytes.resize(gap, 0);
        bytes.extend(strings.bytes.iter().rev());
        Ok((rsp, bytes))
    }

    fn push_all(&self, strings: &mut Strings, all: &[Vec<u8>]) -> Result<Vec<u64>> {
        let mut addresses = Vec::with_capacity(all.len());
        // The last one first, so that they lie in order: programs that rewrite argv rely on it.
        for string in all.iter().rev() {
            addresses.push(strings.push_string(string)?);
        }
        addresses.reverse();
        Ok(addresses)
    }

    fn auxiliary(&self, execfn: u64, platform: u64, random: u64) -> Vec<u64> {
        // AT_HWCAP2 hides FSGSBASE: GS is the library OS's.
        let pairs = [
            (AT_PHDR, self.headers_at),
            (AT_PHENT, 56),
            (AT_PHNUM, self.header_count),
            (AT_PAGESZ, 4096),
            (AT_BASE, self.interpreter_base),
            (AT_FLAGS, 0),
            (AT_ENTRY, self.entry),
            (AT_UID, u64::from(self.uid)),
            (AT_EUID, u64::from(self.uid)),
            (AT_GID, u64::from(self.gid)),
            (AT_EGID, u64::from(self.gid)),
            (AT_PLATFORM, platform),
            (AT_HWCAP, self.hwcap),
            (AT_HWCAP2, 0),
            (AT_CLKTCK, 100),
            (AT_SECURE, 0),
            (AT_RANDOM, random),
            (AT_EXECFN, execfn),
            (AT_SYSINFO_EHDR, self.vdso),
            (AT_MINSIGSTKSZ, crate::signal::frame::largest()),
            (0, 0),
        ];
        pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()
    }
}

/// Bytes from the top of the stack downwards, kept in reverse.
struct Strings {
    top: u64,
    bytes: Vec<u8>,
}

impl Strings {
    fn at(&self) -> u64 {
        self.top - self.bytes.len() as u64
    }

    fn push(&mut self, bytes: &[u8]) -> Result<u64> {
        if self.bytes.len() + bytes.len() > STRINGS_MAX {
            return Err(Errno::E2BIG);
        }
        self.bytes.extend(bytes.iter().rev());
        Ok(self.at())
    }

    fn push_string(&mut self, string: &[u8]) -> Result<u64> {
        self.push(&[0])?;
        self.push(string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::u64_at;

    fn initial<'a>(args: &'a [Vec<u8>], env: &'a [Vec<u8>]) -> Initial<'a> {
        Initial {
            args,
            env,
            execfn: b"/bin/x",
            random: [7; 16],
            headers_at: 0x40_0040,
            header_count: 3,
            entry: 0x40_1000,
            interpreter_base: 0,
            uid: 0,
            gid: 0,
            vdso: 0,
            hwcap: 0xbff,
        }
    }

    fn string(bytes: &[u8], rsp: u64, at: u64) -> &[u8] {
        let from = usize::try_from(at - rsp).unwrap();
        bytes[from..].split(|&b| b == 0).next().unwrap()
    }

    #[test]
    fn a_program_finds_its_arguments_environment_and_vector() {
        let _machine = crate::testing::quiet();
        let args = [b"x".to_vec(), b"".to_vec(), b"two".to_vec()];
        let env = [b"A=1".to_vec()];
        let (rsp, bytes) = initial(&args, &env).build(0x1000_0000).unwrap();
        assert_eq!(rsp % 16, 0);
        assert_eq!(rsp + bytes.len() as u64, 0x1000_0000);
        let word = |i: usize| u64_at(&bytes, i * 8).unwrap();
        assert_eq!(word(0), 3);
        assert_eq!(string(&bytes, rsp, word(1)), b"x");
        assert_eq!(string(&bytes, rsp, word(3)), b"two");
        assert_eq!(word(4), 0);
        assert_eq!(string(&bytes, rsp, word(5)), b"A=1");
        assert_eq!(word(6), 0);
        let aux = |key| (7..).step_by(2).find(|&i| word(i) == key).map(|i| word(i + 1)).unwrap();
        assert_eq!(aux(AT_ENTRY), 0x40_1000);
        assert_eq!(string(&bytes, rsp, aux(AT_EXECFN)), b"/bin/x");
        assert_eq!(bytes[usize::try_from(aux(AT_RANDOM) - rsp).unwrap()..][..16], [7; 16]);
        // argv strings lie one behind the other.
        assert_eq!(word(2), word(1) + 2);
    }

    #[test]
    fn too_many_arguments_are_e2big() {
        let args = alloc::vec![alloc::vec![b'a'; 1 << 20]; 3];
        assert_eq!(initial(&args, &[]).build(1 << 30).map(drop), Err(Errno::E2BIG));
    }
}
