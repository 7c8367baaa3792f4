//! Verifying collateral: two CRLs, two signers, two signed objects.

use alloc::{string::ToString, vec::Vec};

use super::{
    Verifier,
    chain::{self, Role, UnderRoot},
};
use crate::{
    Anchor, Bytes, Collateral, EnclaveIdentity, Reason, Refusal, TcbInfo, Time, VerifiedCollateral,
    collateral::{RevokedSerials, Validity},
    crypto::Crypto,
    error::{ensure, refusal},
    pem,
    x509::{Certificate, Crl, PublicKey},
};

pub(super) fn verify(
    verifier: &Verifier,
    collateral: &Collateral,
    now: Time,
) -> Result<VerifiedCollateral, Refusal> {
    let crypto = verifier.crypto;
    let mut validity = Vec::new();

    let opened = Root::open(verifier, &collateral.root_ca_crl, now)?;
    let under_root = opened.issues(crypto, now);
    let Root { anchor, certificate: root, crl: root_crl, .. } = &opened;
    validity.push(certificate_validity(root));
    validity.push(crl_validity("root CRL", root_crl));

    let ca_chain = pem::certificates(collateral.pck_crl_issuer_chain.as_bytes())?;
    let pck_ca =
        verify_ca(&under_root, &ca_chain).map_err(|refusal| refusal.of("PCK CRL issuer chain"))?;
    let pck_crl = Crl::parse(&collateral.pck_crl).map_err(|refusal| refusal.of("PCK CRL"))?;
    pck_crl
        .check(crypto, pck_ca.subject, pck_ca.key, pck_ca.subject_key_id(), now)
        .map_err(|refusal| refusal.of("PCK CRL"))?;
    validity.push(certificate_validity(&pck_ca));
    validity.push(crl_validity("PCK CRL", &pck_crl));

    let tcb_chain = pem::certificates(collateral.tcb_info_issuer_chain.as_bytes())?;
    let tcb_signer = verify_signer(&under_root, &tcb_chain)
        .map_err(|refusal| refusal.of("TCB info issuer chain"))?;
    validity.push(certificate_validity(&tcb_signer));
    ensure!(
        is_signed(
            crypto,
            &tcb_signer,
            collateral.tcb_info.as_bytes(),
            &collateral.tcb_info_signature
        ),
        TcbInfoSignature,
        "signature over TCB info of {} bytes does not verify",
        collateral.tcb_info.len()
    );
    let tcb_info = TcbInfo::parse(collateral.tcb_info.as_bytes())?;
    validity.push(tcb_info_validity(&tcb_info));

    let qe_chain = pem::certificates(collateral.qe_identity_issuer_chain.as_bytes())?;
    let qe_signer = if qe_chain == tcb_chain {
        tcb_signer
    } else {
        verify_signer(&under_root, &qe_chain)
            .map_err(|refusal| refusal.of("QE identity issuer chain"))?
    };
    validity.push(certificate_validity(&qe_signer));
    ensure!(
        is_signed(
            crypto,
            &qe_signer,
            collateral.qe_identity.as_bytes(),
            &collateral.qe_identity_signature
        ),
        QeIdentitySignature,
        "signature over QE identity of {} bytes does not verify",
        collateral.qe_identity.len()
    );
    let qe_identity = EnclaveIdentity::parse(collateral.qe_identity.as_bytes())?;
    validity.push(qe_identity_validity(&qe_identity));

    validity.iter().try_for_each(|validity| validity.check(now))?;
    let pck_chain = match &collateral.pck_certificate_chain {
        Some(chain) => Some(pem::certificates(chain.as_bytes())?),
        None => None,
    };
    Ok(VerifiedCollateral {
        sha256: collateral.sha256(crypto),
        anchor: (*anchor).clone(),
        root_key_sha384: root_key_sha384(crypto, root),
        root_spki_sha256: Bytes(crypto.sha256(&[root.spki])),
        pck_ca: pck_ca.raw().to_vec(),
        pck_revoked: RevokedSerials::of(&pck_crl),
        root_revoked: RevokedSerials::of(root_crl),
        tcb_info,
        qe_identity,
        pck_chain,
        validity,
        size: collateral.size(),
    })
}

/// The accepted root that a CRL is of, and whom that CRL lists.
pub(super) struct Root<'a> {
    anchor: &'a Anchor,
    certificate: Certificate<'a>,
    crl: Crl<'a>,
    revoked: RevokedSerials,
}

impl<'a> Root<'a> {
    /// Finds the root and checks its validity and its CRL, which must not list itself.
    pub(super) fn open(verifier: &'a Verifier, crl: &'a [u8], now: Time) -> Result<Self, Refusal> {
        let crl = Crl::parse(crl).map_err(|refusal| refusal.of("root CRL"))?;
        let check_crl = |root: &Certificate<'_>| {
            crl.check(verifier.crypto, root.subject, root.key, root.subject_key_id(), now)
        };
        let anchor = verifier
            .anchors
            .find(crl.issuer.raw(), check_crl)
            .map_err(|refusal| refusal.of("root CRL"))?;
        let certificate = anchor.parsed()?;
        anchor.check_validity(now)?;
        let revoked = RevokedSerials::of(&crl);
        ensure!(
            !revoked.contains(certificate.serial),
            RootRevoked,
            "root {} is revoked by its own CRL",
            certificate.subject
        );
        Ok(Self { anchor, certificate, crl, revoked })
    }

    /// What certificates that it issued are checked against.
    pub(super) fn issues(&'a self, crypto: &'a dyn Crypto, now: Time) -> UnderRoot<'a> {
        let Self { anchor, certificate: root, revoked, .. } = self;
        UnderRoot { crypto, anchor, root, revoked, now }
    }
}

/// Verifies the CA under the anchor; it is the only certificate of the chain that is not a root.
fn verify_ca<'a>(
    under_root: &UnderRoot<'_>,
    chain: &'a [Vec<u8>],
) -> Result<Certificate<'a>, Refusal> {
    let ca = only_issued(under_root, chain)?;
    ca.check_ca(0, true)?;
    under_root.check_issued(&ca, Role::PckCa)?;
    ensure!(
        !under_root.revoked.contains(ca.serial),
        PckCaRevoked,
        "CA {} is listed by the root CRL",
        ca.subject
    );
    Ok(ca)
}

/// Verifies the signer of TCB info or QE identity.
pub(super) fn verify_signer<'a>(
    under_root: &UnderRoot<'_>,
    chain: &'a [Vec<u8>],
) -> Result<Certificate<'a>, Refusal> {
    let signer = only_issued(under_root, chain)?;
    signer.check_leaf()?;
    under_root.check_issued(&signer, Role::TcbSigner)?;
    ensure!(
        !under_root.revoked.contains(signer.serial),
        TcbSignerRevoked,
        "signer {} is listed by the root CRL",
        signer.subject
    );
    Ok(signer)
}

fn only_issued<'a>(
    under_root: &UnderRoot<'_>,
    chain: &'a [Vec<u8>],
) -> Result<Certificate<'a>, Refusal> {
    let certificates = chain::parse_all(chain)?;
    under_root.check_presented_roots(&certificates)?;
    let mut issued = certificates.into_iter().filter(|certificate| !certificate.is_self_issued());
    match (issued.next(), issued.next()) {
        (Some(certificate), None) => Ok(certificate),
        (found, _) => Err(refusal!(
            ChainIncomplete,
            "expected one certificate under the root, found {}",
            if found.is_some() { "more" } else { "none" }
        )),
    }
}

pub(super) fn is_signed(
    crypto: &dyn Crypto,
    signer: &Certificate<'_>,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let (PublicKey::P256(key), Ok(signature)) = (signer.key, signature.try_into()) else {
        return false;
    };
    crypto.p256_sha256(key, message, signature)
}

fn root_key_sha384(crypto: &dyn Crypto, root: &Certificate<'_>) -> Bytes<48> {
    let key: &[u8] = match root.key {
        PublicKey::P256(key) => key,
        PublicKey::P384(key) => key,
        PublicKey::Rsa(key) => key,
        PublicKey::Other => root.spki,
    };
    Bytes(crypto.sha384(key))
}

fn certificate_validity(certificate: &Certificate<'_>) -> Validity {
    Validity {
        what: alloc::format!("certificate {}", certificate.subject),
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        early: Reason::CertificateNotYetValid,
        late: Reason::CertificateExpired,
    }
}

fn crl_validity(what: &str, crl: &Crl<'_>) -> Validity {
    Validity {
        what: what.to_string(),
        not_before: crl.this_update,
        not_after: crl.next_update,
        early: Reason::CrlNotYetValid,
        late: Reason::CrlExpired,
    }
}

fn tcb_info_validity(tcb_info: &TcbInfo) -> Validity {
    Validity {
        what: alloc::format!("TCB info for FMSPC {}", tcb_info.fmspc),
        not_before: tcb_info.issue_date,
        not_after: tcb_info.next_update,
        early: Reason::TcbInfoNotYetValid,
        late: Reason::TcbInfoExpired,
    }
}

fn qe_identity_validity(identity: &EnclaveIdentity) -> Validity {
    Validity {
        what: alloc::format!("identity of {}", identity.id),
        not_before: identity.issue_date,
        not_after: identity.next_update,
        early: Reason::QeIdentityNotYetValid,
        late: Reason::QeIdentityExpired,
    }
}
