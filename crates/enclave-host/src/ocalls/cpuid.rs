//! CPUID of the host.
//!
//! A C library asks for some thirty leaves when a program starts. On an enclave's thread CPUID faults, and
//! under a hypervisor it is slow besides; so the main thread asks for the usual leaves in advance, while the enclave
//! boots.

use std::arch::x86_64::__cpuid_count;
use std::collections::BTreeMap;

use super::Session;
use super::buffer::SharedBuffer;
use crate::platform::Errno;

/// EAX, EBX, ECX and EDX by leaf and sub-leaf.
pub(super) type Table = BTreeMap<(u32, u32), [u32; 4]>;

/// Leaves that programs ask for, each with the number of its sub-leaves.
const USUAL: &[(u32, u32)] = &[
    (0, 1),
    (1, 1),
    (2, 1),
    (4, 5),
    (7, 3),
    (0xb, 3),
    (0xd, 10),
    (0x15, 1),
    (0x16, 1),
    (0x1f, 3),
    (0x8000_0000, 1),
    (0x8000_0001, 1),
    (0x8000_0002, 1),
    (0x8000_0003, 1),
    (0x8000_0004, 1),
    (0x8000_0007, 1),
    (0x8000_0008, 1),
];

/// Asks for the usual leaves. Not on a thread of the enclave.
pub(super) fn usual() -> Table {
    let all = USUAL.iter().flat_map(|&(leaf, count)| (0..count).map(move |sub| (leaf, sub)));
    all.map(|key| (key, ask(key))).collect()
}

fn ask((leaf, subleaf): (u32, u32)) -> [u32; 4] {
    let answer = __cpuid_count(leaf, subleaf);
    [answer.eax, answer.ebx, answer.ecx, answer.edx]
}

/// `Ocall::Cpuid`.
pub(super) fn cpuid(session: &Session, buffer: &SharedBuffer, args: &[u64; 6]) -> i64 {
    let (Ok(leaf), Ok(subleaf)) = (u32::try_from(args[0]), u32::try_from(args[1])) else {
        return Errno::EINVAL.result();
    };
    let known = session.cpuid.wait().get(&(leaf, subleaf)).copied();
    let words = known.unwrap_or_else(|| ask((leaf, subleaf)));
    let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    buffer.write(args[2], &bytes).map_or(Errno::EFAULT.result(), |()| 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_the_processor_says() {
        let table = usual();
        assert_eq!(table[&(0, 0)], ask((0, 0)));
        assert_eq!(table[&(0x8000_0002, 0)], ask((0x8000_0002, 0)));
        assert_eq!(table[&(4, 1)], ask((4, 1)));
    }
}
