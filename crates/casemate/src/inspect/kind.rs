//! Which kind of file some bytes are.

use std::path::Path;

use clap::ValueEnum;
use sgx_types::{KeyRequest, Report, Sigstruct, TargetInfo};

use super::description::Description;
use super::{keyrequest, manifest, quote, report, sgxs, sigstruct};

/// What to say when a file is not recognised.
pub(crate) const HINT: &str = "it is none of SIGSTRUCT (1808 bytes), REPORT (432 bytes), TARGETINFO \
     (512 bytes), SGXS stream (starts with ECREATE), compiled manifest or quote; --as names a kind";

/// The kinds that can be inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// An enclave's signature structure.
    Sigstruct,
    /// What EREPORT writes.
    Report,
    /// For whom EREPORT makes a report.
    Targetinfo,
    /// Which key EGETKEY is to derive.
    Keyrequest,
    /// An enclave stream.
    Sgxs,
    /// What `casemate compile` writes.
    Manifest,
    /// An ECDSA quote about an SGX enclave or a trust domain.
    Quote,
}

impl Kind {
    /// Recognises a file. The structures have no magic numbers, so their sizes decide; a KEYREQUEST
    /// is as large as a TARGETINFO and has to be named.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"ECREATE\0") || bytes.starts_with(b"UNSIZED\0") {
            return Some(Kind::Sgxs);
        }
        if bytes.starts_with(manifest::MAGIC) {
            return Some(Kind::Manifest);
        }
        match bytes.len() {
            Sigstruct::SIZE => Some(Kind::Sigstruct),
            Report::SIZE => Some(Kind::Report),
            TargetInfo::SIZE => Some(Kind::Targetinfo),
            _ if dcap::Quote::parse(bytes).is_ok() => Some(Kind::Quote),
            _ => None,
        }
    }

    /// Describes `bytes` as this kind. `image` is what a manifest is measured with.
    pub(crate) fn describe(self, bytes: &[u8], image: Option<&Path>) -> Description {
        let described = match self {
            Kind::Sigstruct => {
                Sigstruct::from_slice(bytes).map(|found| sigstruct::describe(&found))
            }
            Kind::Report => Report::from_slice(bytes).map(|found| report::describe(&found)),
            Kind::Targetinfo => {
                TargetInfo::from_slice(bytes).map(|found| report::describe_target(&found))
            }
            Kind::Keyrequest => {
                KeyRequest::from_slice(bytes).map(|found| keyrequest::describe(&found))
            }
            Kind::Sgxs => Ok(sgxs::describe(bytes)),
            Kind::Manifest => Ok(manifest::describe(bytes, image)),
            Kind::Quote => Ok(quote::describe(bytes)),
        };
        described.unwrap_or_else(|error| Description::malformed(self.name(), &error))
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Sigstruct => "SIGSTRUCT",
            Kind::Report => "REPORT",
            Kind::Targetinfo => "TARGETINFO",
            Kind::Keyrequest => "KEYREQUEST",
            Kind::Sgxs => "SGXS",
            Kind::Manifest => "manifest",
            Kind::Quote => "quote",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Mostly zero bytes, so that much of it gets past the checks of reserved fields.
    fn sparse(size: usize) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec((0..size, any::<u8>()), 0..8).prop_map(move |changes| {
            let mut bytes = vec![0; size];
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            bytes
        })
    }

    fn file() -> impl Strategy<Value = Vec<u8>> {
        let sgxs = proptest::collection::vec(any::<u8>(), 0..600)
            .prop_map(|noise| [b"ECREATE\0".as_slice(), &noise].concat());
        prop_oneof![
            sparse(Sigstruct::SIZE),
            sparse(Report::SIZE),
            sparse(TargetInfo::SIZE),
            sgxs,
            proptest::collection::vec(any::<u8>(), 0..100).prop_map(|noise| [
                b"CSMMANI1".as_slice(),
                &noise
            ]
            .concat()),
            proptest::collection::vec(any::<u8>(), 0..600),
        ]
    }

    proptest! {
        /// Whatever the bytes and whatever they are said to be, something can be printed.
        #[test]
        fn any_bytes_as_any_kind_are_described(bytes in file()) {
            for kind in Kind::value_variants() {
                let description = kind.describe(&bytes, None);
                prop_assert!(description.text().starts_with(kind.name()));
                prop_assert_eq!(&description.json()["kind"], kind.name());
            }
        }
    }
}
