use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::{Entry, InputKind, Kind};

fn entry(path: &str, kind: Kind) -> Entry {
    Entry { path: path.into(), kind }
}

pub(crate) fn example() -> Compiled {
    let trusted =
        Kind::Trusted { host: "rootfs/bin/sh".into(), size: 70_000, mode: 0o755, root: [3; 32] };
    let input = Kind::HostInput { input: InputKind::Hosts, host: "/etc/hosts".into() };
    let data = Kind::Passthrough { host: "/srv/data".into(), writable: true, record: false };
    Compiled {
        enclave: Enclave {
            elrange_size: 1 << 36,
            threads: 8,
            heap_initial: 1 << 20,
            edmm: true,
            debug: false,
            dev: false,
            isvprodid: 7,
            isvsvn: 2,
            xfrm_max: 0xe7,
        },
        program: Program {
            entrypoint: "/bin/sh".into(),
            args: vec!["-e".into()],
            host_args: vec![Pattern::new("-c"), Pattern::new("echo *")],
            env: vec![
                EnvRule { name: Pattern::new("LC_*"), value: EnvValue::Host(Pattern::any()) },
                EnvRule { name: Pattern::new("PATH"), value: EnvValue::Fixed("/bin".into()) },
            ],
            cwd: Cwd::Fixed("/tmp".into()),
        },
        files: FileMap::new(vec![
            entry("/bin", Kind::Directory { mode: 0o755 }),
            entry("/bin/sh", trusted),
            entry("/bin/ls", Kind::Symlink { target: "sh".into() }),
            entry("/tmp", Kind::Tmpfs { mode: 0o1777, size_max: 1 << 24 }),
            entry("/data", data),
            entry("/etc/hosts", input),
        ])
        .unwrap(),
    }
}

#[test]
fn encoding_round_trips() {
    assert_eq!(Compiled::from_bytes(&example().to_bytes()), Ok(example()));
}

#[test]
fn every_truncation_and_every_extension_is_refused() {
    let bytes = example().to_bytes();
    for len in 0..bytes.len() {
        assert!(Compiled::from_bytes(&bytes[..len]).is_err(), "length {len}");
    }
    let longer = [&bytes[..], &[0]].concat();
    let refused = Compiled::from_bytes(&longer).unwrap_err();
    assert_eq!(refused, Malformed { at: bytes.len(), reason: "bytes follow the end" });
}

#[test]
fn a_flipped_bit_is_refused_or_means_something_else() {
    let bytes = example().to_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = Compiled::from_bytes(&flipped) {
            assert_eq!(other.to_bytes(), flipped, "bit {bit}");
        }
    }
}

#[test]
fn a_claimed_count_costs_no_memory() {
    let mut bytes = example().to_bytes();
    let args = 8 + 36 + 4 + "/bin/sh".len();
    bytes[args..args + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(Compiled::from_bytes(&bytes).is_err());
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic(tail in any::<Vec<u8>>(), keep in 0usize..400) {
        let bytes = example().to_bytes();
        let mixed = [&bytes[..keep.min(bytes.len())], &tail].concat();
        if let Ok(decoded) = Compiled::from_bytes(&mixed) {
            prop_assert_eq!(decoded.to_bytes(), mixed);
        }
    }
}
