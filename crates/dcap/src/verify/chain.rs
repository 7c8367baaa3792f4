//! Rules on certificate chains.

use alloc::vec::Vec;

use crate::{
    Anchor, Refusal, RootKind, Time, collateral::RevokedSerials, crypto::Crypto, error::ensure,
    x509::Certificate,
};

/// What a certificate does, for Intel's rules on common names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    PckCa,
    Pck,
    TcbSigner,
}

impl Role {
    fn allows(self, common_name: &str) -> bool {
        match self {
            Self::PckCa => {
                matches!(common_name, "Intel SGX PCK Processor CA" | "Intel SGX PCK Platform CA")
            }
            Self::Pck => common_name == "Intel SGX PCK Certificate",
            Self::TcbSigner => common_name == "Intel SGX TCB Signing",
        }
    }
}

/// Parses every certificate of a chain.
pub(crate) fn parse_all(ders: &[Vec<u8>]) -> Result<Vec<Certificate<'_>>, Refusal> {
    ders.iter().map(|der| Certificate::parse(der)).collect()
}

/// What certificates directly under the anchor are checked against.
#[derive(Clone, Copy)]
pub(crate) struct UnderRoot<'a> {
    pub(crate) crypto: &'a dyn Crypto,
    pub(crate) anchor: &'a Anchor,
    pub(crate) root: &'a Certificate<'a>,
    pub(crate) revoked: &'a RevokedSerials,
    pub(crate) now: Time,
}

impl UnderRoot<'_> {
    /// Checks name, key identifier, signature and validity of a certificate that the anchor must
    /// have issued.
    pub(crate) fn check_issued(
        &self,
        certificate: &Certificate<'_>,
        role: Role,
    ) -> Result<(), Refusal> {
        ensure!(
            certificate.issuer == self.root.subject,
            ChainRoot,
            "certificate {} is issued by {}, expected the trust anchor {}",
            certificate.subject,
            certificate.issuer,
            self.root.subject
        );
        check_name(self.anchor, certificate, role)?;
        check_key_id(self.anchor, certificate, self.root)?;
        certificate.check_validity(self.now)?;
        certificate.verify_signature(self.crypto, self.root.key)
    }

    /// Checks the root certificates that came along in a chain: same name, same key, and intact.
    ///
    /// Only the key is pinned, so an older certificate of the same key passes; says whether there
    /// was one.
    pub(crate) fn check_presented_roots(&self, chain: &[Certificate<'_>]) -> Result<bool, Refusal> {
        let mut other = false;
        for certificate in chain.iter().filter(|certificate| certificate.is_self_issued()) {
            ensure!(
                certificate.subject == self.root.subject && certificate.key == self.root.key,
                ChainRoot,
                "chain ends in root {}, which is not the trust anchor {}",
                certificate.subject,
                self.root.subject
            );
            if certificate.raw() != self.root.raw() {
                certificate.verify_signature(self.crypto, self.root.key)?;
                other = true;
            }
        }
        Ok(other)
    }
}

/// Under Intel's root, checks that the common name is the one Intel uses for the role.
pub(crate) fn check_name(
    anchor: &Anchor,
    certificate: &Certificate<'_>,
    role: Role,
) -> Result<(), Refusal> {
    let allowed = anchor.kind() != RootKind::Intel
        || certificate.subject.common_name().is_some_and(|name| role.allows(name));
    ensure!(allowed, ChainName, "common name {} is not one of role {role:?}", certificate.subject);
    Ok(())
}

/// Checks the authority key identifier against the issuer; under Intel's root it must be there.
pub(crate) fn check_key_id(
    anchor: &Anchor,
    certificate: &Certificate<'_>,
    issuer: &Certificate<'_>,
) -> Result<(), Refusal> {
    let (named, actual) = (certificate.authority_key_id(), issuer.subject_key_id());
    let matches = match (named, actual) {
        (Some(named), Some(actual)) => named == actual,
        _ => anchor.kind() != RootKind::Intel,
    };
    ensure!(
        matches,
        ChainKeyIdentifier,
        "certificate {} does not name the key of its issuer {}",
        certificate.subject,
        issuer.subject
    );
    Ok(())
}
