//! Real SEV-SNP reports give the results of `tests/dcap/manifest.json`.

#[path = "it/data.rs"]
mod data;

use data::{manifest, path, read};
use dcap::{
    Anchors, Claims, Reason, Tee, Time, Verifier, Workload,
    crypto::DEFAULT,
    snp::{HclReport, SnpCollateral, SnpKeyKind, SnpReport},
};

/// A time at which every VLEK in the data may be valid is searched for, as VLEKs last a year.
fn times() -> impl Iterator<Item = Time> {
    (2022..2028).flat_map(|year| {
        (1..=12).map(move |month| {
            Time::parse_iso(&format!("{year}-{month:02}-15T00:00:00Z")).expect("a date")
        })
    })
}

fn collateral(vek: &str) -> SnpCollateral {
    SnpCollateral { vek: read(vek), chain: Vec::new(), crl: None }
}

fn verify_sometime(report: &[u8], collateral: &SnpCollateral) -> Result<Claims, dcap::Refusal> {
    let verifier = Verifier::new(Anchors::production());
    let mut last = None;
    for now in times() {
        match verifier.verify_snp(report, collateral, now) {
            Ok(claims) => return Ok(claims),
            Err(refusal) => last = Some(refusal),
        }
    }
    Err(last.expect("there are dates"))
}

#[test]
fn every_report_with_its_key_verifies() {
    let mut verified = 0;
    for case in &manifest().snp {
        let report = read(&case.file);
        let parsed = SnpReport::parse(&report).unwrap();
        assert_eq!((parsed.version, parsed.vmpl), (case.version, case.vmpl), "{}", case.file);
        let Some(endorsement) = &case.endorsement else { continue };
        verified += 1;
        let claims = verify_sometime(&report, &collateral(endorsement))
            .unwrap_or_else(|refusal| panic!("{}: {refusal}", case.file));
        assert_eq!(claims.tee, Tee::SevSnp);
        assert_eq!(claims.debug, case.debug_policy);
        assert_eq!(claims.report_data.to_string(), case.report_data);
        assert!(!claims.collateral.revocation_checked, "no CRL was given");
        let Workload::SevSnp(guest) = &claims.workload else { panic!("not an SNP guest") };
        assert_eq!(guest.measurement.to_string(), case.measurement);
        assert_eq!(guest.host_data.to_string(), case.host_data);
        let dcap::Platform::SevSnp(platform) = &claims.platform else { panic!("not AMD") };
        let kind = if case.signing_key == 1 { SnpKeyKind::Vlek } else { SnpKeyKind::Vcek };
        assert_eq!(platform.key_kind, kind);
    }
    assert_eq!(verified, 10);
}

/// Every single byte of the signed part and of the signature matters.
#[test]
fn a_changed_byte_is_refused() {
    let case = &manifest().snp[0];
    let report = read(&case.file);
    let collateral = collateral(case.endorsement.as_ref().unwrap());
    let now = Time::parse_iso("2024-06-15T00:00:00Z").unwrap();
    let verifier = Verifier::new(Anchors::production());
    verifier.verify_snp(&report, &collateral, now).unwrap();
    for index in (0..report.len()).step_by(7) {
        let mut changed = report.clone();
        changed[index] ^= 0x10;
        verifier.verify_snp(&changed, &collateral, now).unwrap_err();
    }
}

/// A report never verifies with the key of another report, at a time when that key is valid.
#[test]
fn keys_of_other_reports_are_refused() {
    let manifest = manifest();
    let verifier = Verifier::new(Anchors::production());
    for owner in &manifest.snp {
        let Some(endorsement) = &owner.endorsement else { continue };
        let key = collateral(endorsement);
        let now = verify_sometime(&read(&owner.file), &key).unwrap().verified_at;
        for other in manifest.snp.iter().filter(|other| other.file != owner.file) {
            let same_key = other.endorsement.as_ref().is_some_and(|own| read(own) == key.vek);
            if same_key {
                continue;
            }
            let refusal = verifier.verify_snp(&read(&other.file), &key, now).unwrap_err();
            assert_eq!(refusal.reason(), Reason::SnpSignature, "{} with {endorsement}", other.file);
        }
    }
}

#[test]
fn amd_is_refused_when_it_is_not_an_anchor() {
    let case = &manifest().snp[0];
    let refusal = Verifier::new(Anchors::none())
        .verify_snp(
            &read(&case.file),
            &collateral(case.endorsement.as_ref().unwrap()),
            Time::parse_iso("2024-06-15T00:00:00Z").unwrap(),
        )
        .unwrap_err();
    assert_eq!(refusal.reason(), Reason::ChainRoot);
    assert!(path("snp").exists());
}

/// Azure's envelope: the report verifies, and its data is the hash of the runtime data.
#[test]
fn the_envelope_of_azures_virtual_tpm_is_read() {
    let bytes = read("azure-vtpm/hcl-report.bin");
    let envelope = HclReport::parse(&bytes).unwrap();
    let collateral = SnpCollateral { vek: read("azure-vtpm/vcek.pem"), ..SnpCollateral::default() };
    let claims = verify_sometime(envelope.report, &collateral).unwrap();
    envelope.check_binding(DEFAULT, &claims.report_data).unwrap();
    let mut changed = bytes.clone();
    let inside = changed.len() - bytes.len() / 3;
    changed[inside] ^= 1;
    let envelope = HclReport::parse(&changed).unwrap();
    let refusal = envelope.check_binding(DEFAULT, &claims.report_data).unwrap_err();
    assert_eq!(refusal.reason(), Reason::RatlsBinding);
    for length in 0..1300 {
        HclReport::parse(&bytes[..length]).unwrap_err();
    }
}
