//! Verifying one report.

use alloc::{string::ToString, vec::Vec};

use super::{
    SnpClaims, SnpCollateral, SnpPlatform, SnpProduct, SnpReport, SnpTcb, chain,
    claims::POLICY_DEBUG, vek::VekExtensions,
};
use crate::{
    Bytes, Claims, Refusal, Tee, Time, Verifier,
    anchor::AmdRoot,
    claims::{CollateralClaims, EvidenceFormat, Note, Padding, Platform, RootClaims, Workload},
    crypto::Crypto,
    error::{ensure, refusal},
    x509::{Certificate, PublicKey},
};

#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) crypto: &'a dyn Crypto,
    pub(super) now: Time,
}

/// Verifies a report up to one of AMD's roots.
pub(crate) fn verify(
    verifier: &Verifier,
    bytes: &[u8],
    collateral: &SnpCollateral,
    now: Time,
) -> Result<Claims, Refusal> {
    let crypto = verifier.crypto;
    let roots = verifier.anchors.amd();
    ensure!(!roots.is_empty(), ChainRoot, "AMD's roots are not accepted by this verifier");
    let (report_bytes, padding) = bytes.split_at_checked(SnpReport::SIZE).unwrap_or((bytes, &[]));
    let report = SnpReport::parse(report_bytes)?;
    let vek_der = chain::to_der(&collateral.vek)?;
    let Some((vek_der, others)) = vek_der.split_first() else {
        return Err(refusal!(ChainIncomplete, "there is no endorsement certificate"));
    };
    let vek = Certificate::parse(vek_der)?;
    let verified = chain::verify(Context { crypto, now }, roots, &vek, others, collateral)?;
    let product = verified.root.product;
    check_signature(crypto, &report, &vek)?;

    let extensions = VekExtensions::read(&vek, product.has_fmc())?;
    check_product(&report, product, &extensions)?;
    ensure!(
        report.key_kind == extensions.kind,
        SnpVekKind,
        "report is signed by a {:?}, the certificate is of a {:?}",
        report.key_kind,
        extensions.kind
    );
    let (chip_id, masked) = check_chip(&report, &extensions)?;
    let platform = SnpPlatform::of(&report, product, &extensions, chip_id);
    check_tcb(&platform, &extensions.tcb)?;
    Ok(Claims {
        tee: Tee::SevSnp,
        format: EvidenceFormat::SnpReport(report.version),
        root: root_claims(crypto, verified.root)?,
        report_data: Bytes(*report.report_data),
        debug: report.policy & POLICY_DEBUG != 0,
        workload: Workload::SevSnp(SnpClaims::of(&report)),
        platform: Platform::SevSnp(platform),
        tcb: None,
        collateral: collateral_claims(crypto, collateral, &verified),
        padding: Padding::of(padding),
        signed_sha256: Bytes(crypto.sha256(&[report.signed])),
        notes: if masked { Vec::from([Note::ChipIdMasked]) } else { Vec::new() },
        verified_at: now,
    })
}

fn check_signature(
    crypto: &dyn Crypto,
    report: &SnpReport<'_>,
    vek: &Certificate<'_>,
) -> Result<(), Refusal> {
    let PublicKey::P384(key) = vek.key else {
        return Err(refusal!(
            CertificateAlgorithm,
            "endorsement certificate {} has no P-384 key",
            vek.subject
        ));
    };
    let holds = big_endian(report.signature)
        .is_some_and(|signature| crypto.p384_sha384(key, report.signed, &signature));
    ensure!(holds, SnpSignature, "signature over the report does not verify under {}", vek.subject);
    Ok(())
}

/// Turns `r` and `s`, 72 bytes each with the least significant first, into 48 bytes each with the
/// most significant first. The upper 24 bytes must be zero.
fn big_endian(signature: &[u8; 144]) -> Option<[u8; 96]> {
    let mut out = [0; 96];
    let (numbers, _) = signature.as_chunks::<72>();
    let (halves, _) = out.as_chunks_mut::<48>();
    for (number, half) in numbers.iter().zip(halves) {
        let (low, high) = number.split_at(48);
        high.iter().all(|byte| *byte == 0).then_some(())?;
        for (to, from) in half.iter_mut().zip(low.iter().rev()) {
            *to = *from;
        }
    }
    Some(out)
}

/// Family by root, by certificate and by CPUID must be one.
fn check_product(
    report: &SnpReport<'_>,
    product: SnpProduct,
    extensions: &VekExtensions<'_>,
) -> Result<(), Refusal> {
    let in_certificate = extensions.product.split('-').next().unwrap_or_default();
    let allowed = in_certificate == product.name()
        || (product == SnpProduct::Genoa && matches!(in_certificate, "Bergamo" | "Siena"));
    ensure!(
        allowed,
        SnpVekProduct,
        "endorsement certificate is for {:?}, its root is that of {}",
        extensions.product,
        product.name()
    );
    let in_report = report.cpuid.and_then(SnpProduct::of_cpuid);
    ensure!(
        in_report.is_none_or(|in_report| in_report == product),
        SnpVekProduct,
        "report is from {in_report:?}, its endorsement certificate is for {}",
        product.name()
    );
    Ok(())
}

/// The chip of the report must be the chip of the certificate. Returns the chip id, and whether the
/// report masks it.
fn check_chip(
    report: &SnpReport<'_>,
    extensions: &VekExtensions<'_>,
) -> Result<(Option<Bytes<64>>, bool), Refusal> {
    let reported = Bytes(*report.chip_id);
    let masked = reported.is_zero();
    let Some(chip) = extensions.chip else {
        return Ok(((!masked).then_some(reported), masked));
    };
    let mut certified = [0; 64];
    for (to, from) in certified.iter_mut().zip(chip) {
        *to = *from;
    }
    let certified = Bytes(certified);
    ensure!(
        masked || reported == certified,
        SnpVekChip,
        "report is from chip {reported}, the VCEK is for {certified}"
    );
    Ok((Some(certified), masked))
}

fn check_tcb(platform: &SnpPlatform, certified: &SnpTcb) -> Result<(), Refusal> {
    let reported = &platform.reported_tcb;
    ensure!(
        reported == certified,
        SnpVekTcb,
        "reported TCB is ({reported}), the endorsement certificate is for ({certified})"
    );
    for (name, limit) in
        [("committed", &platform.committed_tcb), ("current", &platform.current_tcb)]
    {
        ensure!(
            reported.is_at_most(limit),
            SnpTcbOrder,
            "reported TCB ({reported}) is higher than the {name} TCB ({limit})"
        );
    }
    Ok(())
}

fn root_claims(crypto: &dyn Crypto, anchor: &AmdRoot) -> Result<RootClaims, Refusal> {
    let root = Certificate::parse(&anchor.certificate)?;
    let PublicKey::Rsa(key) = root.key else {
        return Err(refusal!(Bug, "AMD's root has no RSA key"));
    };
    Ok(RootClaims {
        kind: anchor.kind,
        name: root.subject.common_name().unwrap_or_default().to_string(),
        emulated: false,
        spki_sha256: Bytes(crypto.sha256(&[root.spki])),
        key_sha384: Bytes(crypto.sha384(key)),
    })
}

fn collateral_claims(
    crypto: &dyn Crypto,
    collateral: &SnpCollateral,
    verified: &chain::Verified<'_>,
) -> CollateralClaims {
    let windows = &verified.windows;
    let mut parts: Vec<&[u8]> = Vec::from([collateral.vek.as_slice()]);
    parts.extend(collateral.chain.iter().map(Vec::as_slice));
    parts.extend(collateral.crl.as_deref());
    CollateralClaims {
        sha256: Bytes(crypto.sha256(&parts)),
        earliest_issue: windows.iter().map(|window| window.0).min().unwrap_or(Time::from_unix(0)),
        latest_issue: windows.iter().map(|window| window.0).max().unwrap_or(Time::MAX),
        earliest_expiration: windows.iter().map(|window| window.1).min().unwrap_or(Time::MAX),
        root_crl_number: verified.crl_number,
        pck_crl_number: None,
        revocation_checked: verified.crl_number.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reason, snp::SnpKeyKind};

    /// A real report; its signature does not count here.
    const REPORT: &[u8] = include_bytes!("../../../../tests/dcap/snp/snp-v3-ace9b371.report");

    fn report() -> SnpReport<'static> {
        SnpReport::parse(REPORT).unwrap()
    }

    fn vek<'a>(report: &SnpReport<'a>) -> VekExtensions<'a> {
        VekExtensions {
            kind: SnpKeyKind::Vcek,
            product: "Milan-B0".to_string(),
            tcb: SnpTcb::read(report.reported_tcb, false),
            chip: Some(report.chip_id),
            csp: None,
        }
    }

    fn platform(report: &SnpReport<'_>) -> SnpPlatform {
        SnpPlatform::of(report, SnpProduct::Milan, &vek(report), None)
    }

    #[test]
    fn a_key_of_another_tcb_is_refused() {
        let platform = platform(&report());
        check_tcb(&platform, &platform.reported_tcb).unwrap();
        let other =
            SnpTcb { microcode: platform.reported_tcb.microcode ^ 1, ..platform.reported_tcb };
        assert_eq!(check_tcb(&platform, &other).unwrap_err().reason(), Reason::SnpVekTcb);
    }

    #[test]
    fn a_reported_tcb_above_the_committed_one_is_refused() {
        let mut platform = platform(&report());
        platform.committed_tcb.snp = platform.reported_tcb.snp.saturating_sub(1);
        let certified = platform.reported_tcb;
        assert_eq!(check_tcb(&platform, &certified).unwrap_err().reason(), Reason::SnpTcbOrder);
    }

    #[test]
    fn a_key_of_another_chip_is_refused_and_a_masked_id_is_noted() {
        let report = report();
        let own = vek(&report);
        assert_eq!(check_chip(&report, &own).unwrap(), (Some(Bytes(*report.chip_id)), false));
        let other = VekExtensions { chip: Some(&[7; 64]), ..own.clone() };
        assert_eq!(check_chip(&report, &other).unwrap_err().reason(), Reason::SnpVekChip);
        let masked = SnpReport { chip_id: &[0; 64], ..report };
        assert_eq!(check_chip(&masked, &other).unwrap(), (Some(Bytes([7; 64])), true));
        let vlek = VekExtensions { chip: None, csp: Some("AWS".to_string()), ..own };
        assert_eq!(check_chip(&masked, &vlek).unwrap(), (None, true));
    }

    #[test]
    fn root_certificate_and_processor_must_be_of_one_family() {
        let report = report();
        check_product(&report, SnpProduct::Milan, &vek(&report)).unwrap();
        let genoa = VekExtensions { product: "Genoa-B1".to_string(), ..vek(&report) };
        let refusal = check_product(&report, SnpProduct::Milan, &genoa).unwrap_err();
        assert_eq!(refusal.reason(), Reason::SnpVekProduct);
        let refusal = check_product(&report, SnpProduct::Genoa, &genoa).unwrap_err();
        assert_eq!(refusal.reason(), Reason::SnpVekProduct, "CPUID says Milan");
        let siena = VekExtensions { product: "Siena-B0".to_string(), ..genoa };
        let without_cpuid = SnpReport { cpuid: None, ..report };
        check_product(&without_cpuid, SnpProduct::Genoa, &siena).unwrap();
    }

    #[test]
    fn signature_numbers_of_more_than_48_bytes_are_refused() {
        let mut signature = [0; 144];
        signature[0] = 1;
        assert_eq!(big_endian(&signature).unwrap()[47], 1);
        signature[72 + 48] = 1;
        assert_eq!(big_endian(&signature), None);
    }

    #[test]
    fn turin_has_a_layout_of_its_own() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        let turin = SnpTcb::read(&bytes, true);
        assert_eq!(
            (turin.fmc, turin.boot_loader, turin.tee, turin.snp, turin.microcode),
            (Some(1), 2, 3, 4, 8)
        );
        let milan = SnpTcb::read(&bytes, false);
        assert_eq!(
            (milan.fmc, milan.boot_loader, milan.tee, milan.snp, milan.microcode),
            (None, 1, 2, 7, 8)
        );
    }
}
