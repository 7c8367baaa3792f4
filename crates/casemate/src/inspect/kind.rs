//! Which kind of file some bytes are.

use clap::ValueEnum;
use sgx_types::{KeyRequest, Report, Sigstruct, TargetInfo};

use super::description::Description;
use super::{keyrequest, report, sgxs, sigstruct};

/// What to say when a file is not recognised.
pub(crate) const HINT: &str = "it is none of SIGSTRUCT (1808 bytes), REPORT (432 bytes), TARGETINFO \
     (512 bytes) or SGXS stream (starts with ECREATE); --as names a kind";

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
}

impl Kind {
    /// Recognises a file. The structures have no magic numbers, so their sizes decide; a KEYREQUEST
    /// is as large as a TARGETINFO and has to be named.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"ECREATE\0") || bytes.starts_with(b"UNSIZED\0") {
            return Some(Kind::Sgxs);
        }
        match bytes.len() {
            Sigstruct::SIZE => Some(Kind::Sigstruct),
            Report::SIZE => Some(Kind::Report),
            TargetInfo::SIZE => Some(Kind::Targetinfo),
            _ => None,
        }
    }

    /// Describes `bytes` as this kind.
    pub(crate) fn describe(self, bytes: &[u8]) -> Description {
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
        }
    }
}
