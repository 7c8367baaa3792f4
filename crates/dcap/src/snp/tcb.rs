//! TCB_VERSION: the security versions of an AMD platform.

/// Security versions of the firmware parts. Turin has another layout than the families before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct SnpTcb {
    /// FMC (Turin only).
    pub fmc: Option<u8>,
    /// Boot loader.
    pub boot_loader: u8,
    /// TEE (PSP operating system).
    pub tee: u8,
    /// SNP firmware.
    pub snp: u8,
    /// Lowest microcode patch level of all cores.
    pub microcode: u8,
}

impl SnpTcb {
    pub(super) fn read(bytes: &[u8; 8], has_fmc: bool) -> Self {
        let [b0, b1, b2, b3, _, _, b6, microcode] = *bytes;
        if has_fmc {
            Self { fmc: Some(b0), boot_loader: b1, tee: b2, snp: b3, microcode }
        } else {
            Self { fmc: None, boot_loader: b0, tee: b1, snp: b6, microcode }
        }
    }

    /// True when no part is higher than the same part of `other`.
    #[must_use]
    pub fn is_at_most(&self, other: &Self) -> bool {
        self.parts().iter().zip(other.parts()).all(|(mine, theirs)| *mine <= theirs)
    }

    fn parts(&self) -> [u8; 5] {
        [self.fmc.unwrap_or_default(), self.boot_loader, self.tee, self.snp, self.microcode]
    }
}

impl core::fmt::Display for SnpTcb {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if let Some(fmc) = self.fmc {
            write!(f, "fmc {fmc}, ")?;
        }
        write!(
            f,
            "boot loader {}, tee {}, snp {}, microcode {}",
            self.boot_loader, self.tee, self.snp, self.microcode
        )
    }
}
