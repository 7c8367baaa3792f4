//! Verifying one quote against verified collateral.

use alloc::{
    boxed::Box,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    chain::{self, Role, UnderRoot},
    qe, tcb,
};
use crate::{
    Bytes, Claims, PckExtension, Quote, Refusal, ReportBody, RootKind, TcbInfo, TdReport, Time,
    VerifiedCollateral,
    claims::{
        DcapPlatform, EvidenceFormat, Note, Padding, Platform, RootClaims, SgxClaims, TdxClaims,
        TdxExtendedClaims, Workload,
    },
    crypto::Crypto,
    error::{ensure, refusal},
    hex, pem,
    quote::{Body, CertificationData, header::INTEL_VENDOR},
    x509::{Certificate, PublicKey, oid},
};

pub(super) fn verify(
    crypto: &dyn Crypto,
    bytes: &[u8],
    collateral: &VerifiedCollateral,
    now: Time,
) -> Result<Claims, Refusal> {
    collateral.check_validity(now)?;
    let quote = Quote::parse(bytes)?;
    ensure!(
        *quote.header.vendor == INTEL_VENDOR,
        QuoteVendor,
        "QE vendor: expected {}, found {}",
        Bytes(INTEL_VENDOR),
        Bytes(*quote.header.vendor)
    );
    let tcb_info = &collateral.tcb_info;
    check_tee(&quote, collateral)?;

    let presented = presented_chain(&quote, collateral)?;
    let pck = verify_pck(crypto, &presented, collateral, now)?;
    check_family(&quote, &pck.extension, tcb_info)?;

    let qe_report = ReportBody::parse(quote.auth.qe_report)
        .ok_or_else(|| refusal!(Bug, "a QE report of 384 bytes does not parse"))?;
    ensure!(
        crypto.p256_sha256(pck.key, quote.auth.qe_report, quote.auth.qe_report_signature),
        QeReportSignature,
        "signature over the QE report does not verify under the PCK {}",
        pck.serial
    );
    qe::check_report_data(crypto, &quote.auth, &qe_report)?;
    let qe_level = qe::check_identity(&qe_report, &collateral.qe_identity)?;
    ensure!(
        crypto.p256_sha256(
            &uncompressed(quote.auth.attestation_key),
            quote.signed,
            quote.auth.signature
        ),
        QuoteSignature,
        "signature over the quote does not verify under its attestation key"
    );

    let td = match &quote.body {
        Body::Td(td) => {
            tcb::check_module(tcb_info, td)?;
            Some(td)
        }
        Body::Sgx(_) => None,
    };
    let tcb = tcb::evaluate(tcb_info, &pck.extension, td, &collateral.qe_identity, qe_level)?;
    let notes = notes(&quote, &pck, &qe_report, tcb_info);
    Ok(Claims {
        tee: quote.tee(),
        format: EvidenceFormat::Quote(quote.header.version),
        root: root_claims(collateral),
        report_data: Bytes(*quote.body.report_data()),
        debug: is_debug(&quote.body),
        workload: workload(&quote.body),
        platform: Platform::Dcap(DcapPlatform {
            pck: pck.extension,
            pck_serial: pck.serial,
            pck_ca: pck.ca,
            qe_id: quote.header.user_data.first_chunk().map_or(Bytes([0; 16]), Bytes::from),
            qe_mrenclave: Bytes(*qe_report.mrenclave),
            qe_isvsvn: qe_report.isvsvn,
        }),
        tcb: Some(tcb),
        collateral: collateral.claims(),
        padding: Padding::of(quote.padding),
        signed_sha256: Bytes(crypto.sha256(&[quote.signed])),
        notes,
        verified_at: now,
    })
}

fn check_tee(quote: &Quote<'_>, collateral: &VerifiedCollateral) -> Result<(), Refusal> {
    let (tee, of_info) = (quote.tee(), collateral.tcb_info.tee);
    ensure!(tee == of_info, TcbInfoTee, "TCB info is for {of_info:?}, the quote is from {tee:?}");
    qe::check_identity_tee(&collateral.qe_identity, tee)
}

/// The certificates that vouch for the PCK, in whatever order they came.
fn presented_chain(
    quote: &Quote<'_>,
    collateral: &VerifiedCollateral,
) -> Result<Vec<Vec<u8>>, Refusal> {
    let from_quote = match &quote.auth.certification {
        CertificationData::PckChain(text) => {
            pem::certificates(text).map_err(|refusal| refusal.of("certification data"))?
        }
        CertificationData::PckCertificate(data) if data.starts_with(b"-----") => {
            pem::certificates(data).map_err(|refusal| refusal.of("certification data"))?
        }
        CertificationData::PckCertificate(der) => Vec::from([der.to_vec()]),
        CertificationData::Ppid(_)
        | CertificationData::PpidRsa2048(_)
        | CertificationData::PpidRsa3072(_)
        | CertificationData::PlatformManifest(_) => {
            return collateral.pck_chain.clone().ok_or_else(|| {
                refusal!(
                    PckUnavailable,
                    "certification data of type {} holds no certificate and the collateral has no PCK chain",
                    quote.auth.certification.kind()
                )
            });
        }
    };
    Ok(from_quote)
}

/// A verified PCK certificate.
struct Pck<'a> {
    key: &'a [u8; 65],
    serial: String,
    ca: String,
    extension: PckExtension,
    other_root: bool,
}

fn verify_pck<'a>(
    crypto: &dyn Crypto,
    presented: &'a [Vec<u8>],
    collateral: &VerifiedCollateral,
    now: Time,
) -> Result<Pck<'a>, Refusal> {
    let chain = chain::parse_all(presented)?;
    let anchor = &collateral.anchor;
    let root = anchor.parsed()?;
    let under_root =
        UnderRoot { crypto, anchor, root: &root, revoked: &collateral.root_revoked, now };
    let other_root = under_root.check_presented_roots(&chain)?;
    let leaf = find_leaf(&chain)?;
    let ca = Certificate::parse(&collateral.pck_ca)?;
    for other in chain.iter().filter(|other| other.raw() != leaf.raw() && !other.is_self_issued()) {
        check_presented_ca(&under_root, other, &ca)?;
    }

    ensure!(
        leaf.issuer == ca.subject,
        CrlIssuer,
        "PCK certificate is issued by {}, the PCK CRL covers {}",
        leaf.issuer,
        ca.subject
    );
    leaf.check_leaf()?;
    chain::check_name(anchor, &leaf, Role::Pck)?;
    chain::check_key_id(anchor, &leaf, &ca)?;
    leaf.check_validity(now)?;
    leaf.verify_signature(crypto, ca.key)?;
    let serial = hex::encode(leaf.serial);
    ensure!(
        !collateral.pck_revoked.contains(leaf.serial),
        PckRevoked,
        "PCK {serial} is listed by the PCK CRL"
    );
    let PublicKey::P256(key) = leaf.key else {
        return Err(refusal!(CertificateAlgorithm, "PCK certificate has no P-256 key"));
    };
    let contents = leaf
        .extension(oid::SGX)
        .ok_or_else(|| refusal!(PckExtension, "PCK certificate has no SGX extension"))?;
    let ca_name = ca.subject.common_name().unwrap_or_default().to_string();
    Ok(Pck { key, serial, ca: ca_name, extension: PckExtension::parse(contents)?, other_root })
}

/// The leaf is the one certificate that is neither a CA nor a root.
fn find_leaf<'a>(chain: &[Certificate<'a>]) -> Result<Certificate<'a>, Refusal> {
    let mut leaves =
        chain.iter().filter(|certificate| !certificate.is_ca() && !certificate.is_self_issued());
    match (leaves.next(), leaves.next()) {
        (Some(leaf), None) => Ok(*leaf),
        (found, _) => Err(refusal!(
            ChainIncomplete,
            "PCK chain of {} certificates: expected one leaf, found {}",
            chain.len(),
            if found.is_some() { "more" } else { "none" }
        )),
    }
}

/// A CA in the chain is the CA of the PCK CRL: the same certificate, or another certificate of the
/// same name and key, which is then verified by itself.
fn check_presented_ca(
    under_root: &UnderRoot<'_>,
    presented: &Certificate<'_>,
    known: &Certificate<'_>,
) -> Result<(), Refusal> {
    if presented.raw() == known.raw() {
        return Ok(());
    }
    ensure!(
        presented.subject == known.subject,
        CrlIssuer,
        "PCK chain has the CA {}, the PCK CRL covers {}",
        presented.subject,
        known.subject
    );
    presented.check_ca(0, false)?;
    under_root.check_issued(presented, Role::PckCa)?;
    ensure!(
        !under_root.revoked.contains(presented.serial),
        PckCaRevoked,
        "CA {} is listed by the root CRL",
        presented.subject
    );
    ensure!(
        presented.key == known.key,
        CrlIssuer,
        "PCK chain has another key for the CA {} than the PCK CRL",
        known.subject
    );
    Ok(())
}

/// Checks that TCB info, PCK certificate and certification data speak of one platform.
fn check_family(quote: &Quote<'_>, pck: &PckExtension, tcb_info: &TcbInfo) -> Result<(), Refusal> {
    ensure!(
        pck.fmspc == tcb_info.fmspc,
        TcbInfoFmspc,
        "TCB info is for FMSPC {}, the platform is {}",
        tcb_info.fmspc,
        pck.fmspc
    );
    ensure!(
        pck.pceid == tcb_info.pceid,
        TcbInfoPceid,
        "TCB info is for PCEID {}, the platform has {}",
        tcb_info.pceid,
        pck.pceid
    );
    let Some(identity) = quote.auth.certification.platform_identity() else { return Ok(()) };
    // Only type 1 has the PPID in the clear.
    let ppid_in_clear = matches!(quote.auth.certification, CertificationData::Ppid(_));
    ensure!(
        !ppid_in_clear || identity.ppid == pck.ppid.0,
        PckOtherPlatform,
        "the quote names another PPID than the PCK certificate"
    );
    // PCEIDs are little-endian in quotes and big-endian text elsewhere; all in use are zero.
    ensure!(
        identity
            .pceid
            .is_none_or(|[low, high]| [*high, *low] == pck.pceid.0 || [*low, *high] == pck.pceid.0),
        PckOtherPlatform,
        "the quote names another PCEID than the PCK certificate"
    );
    Ok(())
}

fn uncompressed(key: &[u8; 64]) -> [u8; 65] {
    let mut point = [4; 65];
    if let Some((_, rest)) = point.split_first_mut() {
        rest.copy_from_slice(key);
    }
    point
}

fn root_claims(collateral: &VerifiedCollateral) -> RootClaims {
    RootClaims {
        kind: collateral.anchor.kind(),
        name: collateral.anchor.name().to_string(),
        emulated: collateral.anchor.kind() == RootKind::Emulator,
        spki_sha256: collateral.root_spki_sha256,
        key_sha384: collateral.root_key_sha384,
    }
}

fn notes(
    quote: &Quote<'_>,
    pck: &Pck<'_>,
    qe_report: &ReportBody<'_>,
    tcb_info: &TcbInfo,
) -> Vec<Note> {
    let header = &quote.header;
    let version_3 = header.version == 3;
    [
        (version_3 && header.qe_svn != qe_report.isvsvn, Note::HeaderQeSvnDiffers),
        (version_3 && header.pce_svn != pck.extension.pcesvn, Note::HeaderPceSvnDiffers),
        (!version_3 && (header.qe_svn, header.pce_svn) != (0, 0), Note::HeaderReservedNotZero),
        (pck.other_root, Note::OtherRootCertificate),
        (tcb_info.version == 2, Note::TcbInfoVersion2),
    ]
    .into_iter()
    .filter_map(|(holds, note)| holds.then_some(note))
    .collect()
}

fn is_debug(body: &Body<'_>) -> bool {
    match body {
        Body::Sgx(report) => report.is_debug(),
        // Bits 0 to 7 are the group "TD under debug": any of them makes the TD untrusted.
        Body::Td(report) => report.td_attributes & 0xff != 0,
    }
}

fn workload(body: &Body<'_>) -> Workload {
    match body {
        Body::Sgx(report) => Workload::Sgx(sgx_claims(report)),
        Body::Td(report) => Workload::Tdx(Box::new(tdx_claims(report))),
    }
}

fn sgx_claims(report: &ReportBody<'_>) -> SgxClaims {
    const PROVISION_KEY: u64 = 1 << 4;
    const KSS: u64 = 1 << 7;
    let flags = report.flags();
    SgxClaims {
        mrenclave: Bytes(*report.mrenclave),
        mrsigner: Bytes(*report.mrsigner),
        isvprodid: report.isvprodid,
        isvsvn: report.isvsvn,
        attributes_flags: flags,
        xfrm: report.attributes.last_chunk().map_or(0, |xfrm| u64::from_le_bytes(*xfrm)),
        miscselect: report.miscselect,
        cpusvn: Bytes(*report.cpusvn),
        kss: flags & KSS != 0,
        configid: Bytes(*report.configid),
        configsvn: report.configsvn,
        isvextprodid: Bytes(*report.isvextprodid),
        isvfamilyid: Bytes(*report.isvfamilyid),
        provision_key: flags & PROVISION_KEY != 0,
    }
}

/// TDATTRIBUTES that the TDX 1.5 ABI defines: TUD (0 and 4 to 6), 16 to 22, 27 to 31, 62, 63.
const TD_ATTRIBUTES_DEFINED: u64 = 0xc000_0000_f87f_0071;
const SEPT_VE_DISABLE: u64 = 1 << 28;
const MIGRATABLE: u64 = 1 << 29;

fn tdx_claims(td: &TdReport<'_>) -> TdxClaims {
    TdxClaims {
        mrtd: Bytes(*td.mrtd),
        mrconfigid: Bytes(*td.mrconfigid),
        mrowner: Bytes(*td.mrowner),
        mrownerconfig: Bytes(*td.mrownerconfig),
        rtmr: td.rtmr.map(|register| Bytes(*register)),
        td_attributes: td.td_attributes,
        xfam: td.xfam,
        sept_ve_disable: td.td_attributes & SEPT_VE_DISABLE != 0,
        migratable: td.td_attributes & MIGRATABLE != 0,
        reserved_attributes: td.td_attributes & !TD_ATTRIBUTES_DEFINED != 0,
        mrseam: Bytes(*td.mrseam),
        mrsignerseam: Bytes(*td.mrsignerseam),
        tee_tcb_svn: Bytes(*td.tee_tcb_svn),
        tee_tcb_svn2: td.service.map(|service| Bytes(*service.tee_tcb_svn2)),
        mrservicetd: td.service.map(|service| Bytes(*service.mrservicetd)),
        extended: td.extension.map(|extension| TdxExtendedClaims {
            vmid: extension.vmid,
            td_id: Bytes(*extension.td_id),
            device_info: Bytes(*extension.device_info),
            initial_service_td_hash: Bytes(*extension.initial_service_td_hash),
            current_service_td_hash: Bytes(*extension.current_service_td_hash),
        }),
    }
}
