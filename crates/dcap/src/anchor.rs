//! Trust anchors: the roots that evidence and collateral may end in.

use alloc::{
    borrow::Cow,
    string::{String, ToString},
    vec::Vec,
};

use crate::{
    Refusal, Time,
    error::{ensure, refusal},
    snp::SnpProduct,
    x509::{Certificate, PublicKey},
};

/// Intel SGX Root CA, the issue that is valid until 2049. Its key is what is pinned.
const INTEL_ROOT: &[u8] = include_bytes!("roots/intel-sgx-root-ca.der");

/// What kind of root an anchor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RootKind {
    /// Intel's production root. Intel's rules on common names apply under it.
    Intel,
    /// AMD's root of a processor family.
    Amd,
    /// The root of an emulator: claims under it say `emulated`.
    Emulator,
    /// A root the caller named.
    Named,
}

/// A root that is trusted: a name and a key, taken from a certificate.
#[derive(Debug, Clone)]
pub struct Anchor {
    kind: RootKind,
    name: String,
    certificate: Vec<u8>,
}

impl Anchor {
    /// Makes an anchor from a self-issued CA certificate in DER.
    ///
    /// # Errors
    ///
    /// When the bytes are not a certificate, not self-issued, not a CA, or hold a key that is not
    /// P-256.
    pub fn from_certificate(kind: RootKind, certificate: &[u8]) -> Result<Self, Refusal> {
        let parsed = Certificate::parse(certificate)?;
        ensure_authority(&parsed)?;
        ensure!(
            matches!(parsed.key, PublicKey::P256(_)),
            CertificateAlgorithm,
            "trust anchor {} has no P-256 key",
            parsed.subject
        );
        let name = parsed.subject.common_name().unwrap_or("(unnamed root)").to_string();
        Ok(Self { kind, name, certificate: certificate.to_vec() })
    }

    /// Kind of the root.
    #[must_use]
    pub fn kind(&self) -> RootKind {
        self.kind
    }

    /// Common name of the root.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// DER of the root certificate.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    pub(crate) fn parsed(&self) -> Result<Certificate<'_>, Refusal> {
        Certificate::parse(&self.certificate)
    }

    pub(crate) fn check_validity(&self, now: Time) -> Result<(), Refusal> {
        self.parsed()?.check_validity(now)
    }
}

fn ensure_authority(certificate: &Certificate<'_>) -> Result<(), Refusal> {
    ensure!(
        certificate.is_self_issued() && certificate.is_ca(),
        ChainRole,
        "trust anchor {} is not a self-issued CA",
        certificate.subject
    );
    Ok(())
}

/// A root that SEV-SNP evidence of one processor family may end in.
#[derive(Debug, Clone)]
pub(crate) struct AmdRoot {
    pub(crate) kind: RootKind,
    pub(crate) product: SnpProduct,
    pub(crate) certificate: Cow<'static, [u8]>,
}

/// The set of accepted roots.
#[derive(Debug, Clone, Default)]
pub struct Anchors {
    dcap: Vec<Anchor>,
    amd: Vec<AmdRoot>,
}

impl Anchors {
    /// Accepts nothing; add roots by name.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Accepts the production roots of Intel and AMD, and no emulator.
    #[must_use]
    pub fn production() -> Self {
        let intel = Anchor {
            kind: RootKind::Intel,
            name: "Intel SGX Root CA".to_string(),
            certificate: INTEL_ROOT.to_vec(),
        };
        let amd = |product: SnpProduct| AmdRoot {
            kind: RootKind::Amd,
            product,
            certificate: Cow::Borrowed(product.root()),
        };
        Self { dcap: Vec::from([intel]), amd: SnpProduct::ALL.into_iter().map(amd).collect() }
    }

    /// Also accepts a root of the caller's for SEV-SNP evidence of one processor family.
    ///
    /// # Errors
    ///
    /// When the bytes are not a certificate, not self-issued, not a CA, or hold a key that is not RSA.
    pub fn with_amd_root(
        mut self,
        product: SnpProduct,
        certificate: &[u8],
    ) -> Result<Self, Refusal> {
        let parsed = Certificate::parse(certificate)?;
        ensure_authority(&parsed)?;
        ensure!(
            matches!(parsed.key, PublicKey::Rsa(_)),
            CertificateAlgorithm,
            "trust anchor {} for SEV-SNP has no RSA key",
            parsed.subject
        );
        let certificate = Cow::Owned(certificate.to_vec());
        self.amd.push(AmdRoot { kind: RootKind::Named, product, certificate });
        Ok(self)
    }

    /// Also accepts a root of the caller's, for SGX and TDX evidence.
    ///
    /// # Errors
    ///
    /// As [`Anchor::from_certificate`].
    pub fn with_root(mut self, certificate: &[u8]) -> Result<Self, Refusal> {
        self.dcap.push(Anchor::from_certificate(RootKind::Named, certificate)?);
        Ok(self)
    }

    /// Also accepts the root of an emulator. Claims under it are marked `emulated`; never add one
    /// to a verifier that releases production secrets.
    ///
    /// # Errors
    ///
    /// As [`Anchor::from_certificate`].
    pub fn with_emulator_root(mut self, certificate: &[u8]) -> Result<Self, Refusal> {
        self.dcap.push(Anchor::from_certificate(RootKind::Emulator, certificate)?);
        Ok(self)
    }

    /// The accepted roots for SGX and TDX evidence.
    #[must_use]
    pub fn roots(&self) -> &[Anchor] {
        &self.dcap
    }

    pub(crate) fn amd(&self) -> &[AmdRoot] {
        &self.amd
    }

    /// The anchor with this subject whose key makes `holds` true.
    pub(crate) fn find(
        &self,
        subject: &[u8],
        mut holds: impl FnMut(&Certificate<'_>) -> Result<(), Refusal>,
    ) -> Result<&Anchor, Refusal> {
        let mut last = None;
        for anchor in &self.dcap {
            let certificate = anchor.parsed()?;
            if certificate.subject.raw() != subject {
                continue;
            }
            match holds(&certificate) {
                Ok(()) => return Ok(anchor),
                Err(refusal) => last = Some(refusal),
            }
        }
        Err(last.unwrap_or_else(|| {
            let accepted: Vec<_> = self.dcap.iter().map(Anchor::name).collect();
            refusal!(ChainRoot, "root is not an accepted trust anchor; accepted are {accepted:?}")
        }))
    }
}
