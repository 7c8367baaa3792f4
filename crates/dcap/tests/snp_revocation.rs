//! AMD's revocation lists. No real one is among the test data, so these come from a PKI of the same
//! shape (AMD 57230 section 3): the root (ARK) signs with RSA-4096 and PSS, the signing key (ASK) may
//! sign certificates only, endorsement certificates have serial number 0.

#[path = "it/amd.rs"]
mod amd;
#[path = "it/data.rs"]
mod data;

use amd::{CrlEntry, Pki};
use dcap::{
    Anchors, Claims, Reason, Refusal, RootKind, Time, Verifier,
    snp::{SnpCollateral, SnpProduct},
};
use quoting::{Seconds, UnixTime};

const NOW: UnixTime = UnixTime::from_date(2026, 11, 23);

/// Verifies the PKI's report with this CRL.
fn verify(pki: &Pki, crl: Option<Vec<u8>>, now: UnixTime) -> Result<Claims, Refusal> {
    let collateral = SnpCollateral { vek: pki.vcek(), chain: vec![pki.ask()], crl };
    verifier(pki).verify_snp(&pki.report(), &collateral, Time::from_unix(now.0))
}

fn verifier(pki: &Pki) -> Verifier {
    Verifier::new(Anchors::none().with_amd_root(SnpProduct::Milan, &pki.ark()).expect("a root"))
}

fn reason(pki: &Pki, crl: Vec<u8>) -> Reason {
    verify(pki, Some(crl), NOW).expect_err("the list refuses").reason()
}

#[test]
fn a_list_without_the_chain_in_it_is_accepted_and_claimed() {
    let pki = Pki::new(NOW);
    let without = verify(&pki, None, NOW).unwrap();
    assert!(!without.collateral.revocation_checked);
    assert_eq!((without.root.kind, without.root.name.as_str()), (RootKind::Named, "ARK-Milan"));
    for entries in [&[][..], &[CrlEntry::of(&[1, 0, 9])]] {
        let claims = verify(&pki, Some(pki.crl(entries)), NOW).unwrap();
        assert!(claims.collateral.revocation_checked);
        assert_eq!(claims.collateral.root_crl_number, Some(7));
        assert_eq!(claims.collateral.earliest_expiration, Time::from_unix(pki.crl_expiry().0));
    }
}

#[test]
fn a_listed_signing_key_or_endorsement_key_is_refused() {
    let pki = Pki::new(NOW);
    let ask = verify(&pki, Some(pki.crl(&[CrlEntry::of(&[1, 0, 1])])), NOW).unwrap_err();
    assert_eq!(ask.reason(), Reason::SnpVekRevoked);
    assert!(ask.detail().contains("SEV-Milan"), "{ask}");
    let vcek = verify(&pki, Some(pki.crl(&[CrlEntry::of(&[0])])), NOW).unwrap_err();
    assert_eq!(vcek.reason(), Reason::SnpVekRevoked);
    assert!(vcek.detail().contains("SEV-VCEK"), "{vcek}");
    // An entry about certificates of another issuer is critical (RFC 5280 section 5.3.3).
    let indirect = CrlEntry::of(&[0]).of_issuer("SEV-Milan");
    assert_eq!(reason(&pki, pki.crl(&[indirect])), Reason::CertificateCriticalExtension);
}

#[test]
fn lists_of_others_are_refused() {
    let pki = Pki::new(NOW);
    assert_eq!(reason(&pki, pki.crl_by("ARK-Genoa", &pki.ark_key)), Reason::CrlIssuer);
    assert_eq!(reason(&pki, pki.crl_by("SEV-Milan", &pki.ask_key)), Reason::CrlIssuer);
    assert_eq!(reason(&pki, pki.crl_by("ARK-Milan", &pki.ask_key)), Reason::CrlSignature);
    let mut damaged = pki.crl(&[]);
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    assert_eq!(reason(&pki, damaged), Reason::CrlSignature);
    for length in [0, 40, last] {
        assert_eq!(reason(&pki, pki.crl(&[])[..length].to_vec()), Reason::CrlMalformed);
    }
}

#[test]
fn lists_are_valid_between_their_dates() {
    let pki = Pki::new(NOW);
    let at = |now| verify(&pki, Some(pki.crl(&[])), now).map(|_| ()).map_err(|r| r.reason());
    assert_eq!(at(pki.crl_expiry()), Ok(()));
    assert_eq!(at(pki.crl_expiry() + Seconds(1)), Err(Reason::CrlExpired));
    assert_eq!(at(NOW - Seconds(1)), Err(Reason::CrlNotYetValid));
}

/// The test's root counts only where it is named, and named roots are not AMD's.
#[test]
fn roots_are_accepted_by_name_only() {
    let pki = Pki::new(NOW);
    let collateral = SnpCollateral { vek: pki.vcek(), chain: vec![pki.ask()], crl: None };
    let production = Verifier::new(Anchors::production());
    let refusal =
        production.verify_snp(&pki.report(), &collateral, Time::from_unix(NOW.0)).unwrap_err();
    // Its names are AMD's, its key is not.
    assert_eq!(refusal.reason(), Reason::ChainSignature, "{refusal}");
    let real = data::read("snp/snp-v2-0f48ad8f.report");
    let vek = data::read("snp/snp-v2-0f48ad8f.vcek.der");
    let real_collateral = SnpCollateral { vek, ..SnpCollateral::default() };
    let now = Time::parse_iso("2024-06-15T00:00:00Z").unwrap();
    production.verify_snp(&real, &real_collateral, now).unwrap();
    let refusal = verifier(&pki).verify_snp(&real, &real_collateral, now).unwrap_err();
    assert_eq!(refusal.reason(), Reason::ChainRoot);
    let not_a_root = Anchors::none().with_amd_root(SnpProduct::Milan, &pki.ask()).unwrap_err();
    assert_eq!(not_a_root.reason(), Reason::ChainRole);
}
