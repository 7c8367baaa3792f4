//! Intel's own samples, each with a PKI of its own: the root is the caller's.

#[path = "it/data.rs"]
mod data;

use dcap::{
    Anchors, Claims, Collateral, Note, Reason, Refusal, RootKind, TcbStatus, Time, Verifier,
};

fn text(folder: &str, file: &str) -> String {
    String::from_utf8(data::read(&format!("{folder}/{file}"))).expect("text")
}

fn collateral(folder: &str) -> Collateral {
    let (tcb_info, tcb_info_signature) =
        Collateral::split_signed(text(folder, "tcbInfo.json").trim()).expect("TCB info");
    let (qe_identity, qe_identity_signature) =
        Collateral::split_signed(text(folder, "qeIdentity.json").trim()).expect("QE identity");
    Collateral {
        pck_crl_issuer_chain: text(folder, "pckSignChain.pem"),
        root_ca_crl: data::read(&format!("{folder}/rootCaCrl.der")),
        pck_crl: data::read(&format!("{folder}/intermediateCaCrl.der")),
        tcb_info_issuer_chain: text(folder, "tcbSignChain.pem"),
        tcb_info,
        tcb_info_signature,
        qe_identity_issuer_chain: text(folder, "tcbSignChain.pem"),
        qe_identity,
        qe_identity_signature,
        pck_certificate_chain: Some(text(folder, "pckCert.pem")),
    }
}

fn verify(folder: &str, root: &str, at: &str) -> Result<Claims, Refusal> {
    let root = data::read(&format!("{root}/trustedRootCaCert.pem"));
    let root = dcap::certificates_from_pem(&root)?.remove(0);
    let verifier = Verifier::new(Anchors::none().with_root(&root)?);
    let now = Time::parse_iso(at).expect("a time");
    let verified = verifier.verify_collateral(&collateral(folder), now)?;
    verifier.verify_quote(&data::read(&format!("{folder}/quote.dat")), &verified, now)
}

/// Version 3, certification type 1 (PPID in the clear) with the PCK in the collateral, no QE
/// authentication data, TCB info 2.
#[test]
fn the_sgx_sample_verifies_under_its_root() {
    let claims = verify("intel-qvl-sample", "intel-qvl-sample", "2022-01-01T00:00:00Z").unwrap();
    assert_eq!(claims.root.kind, RootKind::Named);
    assert_eq!(claims.tcb_status(), Some(TcbStatus::UpToDate));
    assert_eq!(claims.notes, [Note::HeaderQeSvnDiffers, Note::TcbInfoVersion2]);
    let pck = &claims.dcap_platform().unwrap().pck;
    assert_eq!(pck.ppid.to_string(), "8461863bb7ece31f64c8e9b77fd31cad");
    assert_eq!(pck.fmspc.to_string(), "00707f000000");
}

/// The sample's TCB info was filled with random numbers: SVNs of components are above 255, which
/// QVL cuts to their low byte. An SVN that is not one is refused.
#[test]
fn the_tdx_sample_has_svns_that_are_none() {
    let refusal =
        verify("intel-qvl-sample-tdx", "intel-qvl-sample-tdx", "2022-01-01T00:00:00Z").unwrap_err();
    assert_eq!(refusal.reason(), Reason::TcbInfoMalformed);
    assert!(refusal.detail().contains("65473"), "{refusal}");
}

/// Both roots are called as Intel's is; only the key tells them apart.
#[test]
fn a_root_of_the_same_name_and_another_key_is_refused() {
    let refusal =
        verify("intel-qvl-sample", "intel-qvl-sample-tdx", "2022-01-01T00:00:00Z").unwrap_err();
    assert_eq!(refusal.reason(), Reason::ChainKeyIdentifier);
}
