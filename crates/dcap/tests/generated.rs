//! Cases that real data lacks, each one change to an emulated world that is otherwise in order.

#[path = "it/world.rs"]
mod world;

use dcap::{Anchors, Blame, Collateral, Reason, RootKind, Tee, Time, Verifier};
use quoting::{
    Condition, Part, Scenario, Seconds, Stage,
    certificate::{Extension, Role},
    key::SigningKey,
    platform::PckCa,
    quote::CertificationData,
    standard,
    tcb_info::TcbStatus,
};
use world::{
    MRSIGNERSEAM, NOW, SEAM_ATTRIBUTES, SEED, TD_ATTRIBUTES, TEE_TCB_SVN2, sgx, tdx, verify,
    verify_evidence,
};

#[track_caller]
fn refused(scenario: &Scenario, reason: Reason) {
    match verify(scenario) {
        Ok(claims) => panic!("expected {reason}, was accepted: {:?}", claims.tcb_status()),
        Err(refusal) => assert_eq!(refusal.reason(), reason, "{refusal}"),
    }
}

/// One SGX world with one change.
#[track_caller]
fn sgx_refused(reason: Reason, change: impl FnOnce(&mut Scenario)) {
    let mut scenario = sgx(TcbStatus::UpToDate);
    change(&mut scenario);
    refused(&scenario, reason);
}

fn stranger() -> SigningKey {
    SigningKey::derive(&SEED, "a stranger", &[])
}

#[test]
fn an_untouched_world_is_accepted_and_marked_emulated() {
    for version in [3, 4, 5] {
        let mut scenario = sgx(TcbStatus::UpToDate);
        scenario.header.version = version;
        if version > 3 {
            (scenario.header.qe_svn, scenario.header.pce_svn) = (0, 0);
        }
        let claims = verify(&scenario).unwrap();
        assert_eq!(claims.tee, Tee::Sgx);
        assert!(claims.is_emulated());
        assert_eq!(claims.root.kind, RootKind::Emulator);
        assert_eq!(claims.tcb_status(), Some(dcap::TcbStatus::UpToDate));
        assert_eq!(claims.notes, []);
    }
    for (version, body_type) in [(4, 2), (5, 2), (5, 3), (5, 4)] {
        let claims = verify(&tdx(TcbStatus::UpToDate, version, body_type)).unwrap();
        assert_eq!(claims.tee, Tee::Tdx);
        assert_eq!(claims.tcb_status(), Some(dcap::TcbStatus::UpToDate));
        assert_eq!(claims.tdx().unwrap().extended.is_some(), body_type == 4);
    }
}

#[test]
fn the_emulators_root_is_refused_unless_named() {
    let evidence = sgx(TcbStatus::UpToDate).evidence();
    let now = Time::from_unix(evidence.now.0);
    let refusal = Verifier::new(Anchors::production())
        .verify_collateral(&world::collateral(&evidence), now)
        .unwrap_err();
    assert_eq!(refusal.reason(), Reason::ChainRoot);
    let named = Anchors::none().with_root(&evidence.root_certificate).unwrap();
    let verifier = Verifier::new(named);
    let verified = verifier.verify_collateral(&world::collateral(&evidence), now).unwrap();
    let claims = verifier.verify_quote(&evidence.quote, &verified, now).unwrap();
    assert_eq!(claims.root.kind, RootKind::Named);
}

#[test]
fn every_status_comes_with_its_advisories() {
    for status in TcbStatus::ALL {
        for scenario in [sgx(status), tdx(status, 4, 2), tdx(status, 5, 3)] {
            if status == TcbStatus::Revoked {
                refused(&scenario, Reason::TcbRevoked);
                continue;
            }
            let tcb = verify(&scenario).unwrap().tcb.unwrap();
            assert_eq!(tcb.status.as_str(), status.as_str());
            assert_eq!(tcb.advisories.is_empty(), status == TcbStatus::UpToDate);
            assert_eq!(tcb.evaluation_data_number, 2);
        }
    }
}

#[test]
fn an_outdated_quoting_enclave_converges_with_every_status() {
    for status in TcbStatus::ALL {
        let mut scenario = sgx(status);
        scenario.impose(Condition::OutdatedQuotingEnclave);
        let expected = match status {
            TcbStatus::UpToDate | TcbStatus::SWHardeningNeeded | TcbStatus::OutOfDate => {
                "OutOfDate"
            }
            TcbStatus::Revoked => {
                refused(&scenario, Reason::TcbRevoked);
                continue;
            }
            _ => "OutOfDateConfigurationNeeded",
        };
        let tcb = verify(&scenario).unwrap().tcb.unwrap();
        assert_eq!(tcb.status.as_str(), expected, "{status:?}");
        assert!(tcb.advisories.contains(&"EMU-SA-00005".to_owned()), "{status:?}");
    }
}

#[test]
fn revoked_certificates_and_levels_are_refused() {
    sgx_refused(Reason::PckRevoked, |s| {
        s.impose(Condition::RevokedPck);
    });
    sgx_refused(Reason::PckCaRevoked, |s| {
        s.impose(Condition::RevokedPckCa);
    });
    sgx_refused(Reason::TcbSignerRevoked, |s| {
        s.impose(Condition::RevokedTcbSigner);
    });
    sgx_refused(Reason::RootRevoked, |s| {
        let serial = s.root.serial.clone();
        s.root_crl.revoke(&serial);
    });
    sgx_refused(Reason::QeRevoked, |s| s.qe_identity.tcb_levels[0].status = TcbStatus::Revoked);
    // Among ten thousand others as well.
    sgx_refused(Reason::PckRevoked, |s| {
        for serial in 0_u32..10_000 {
            s.pck_crl.revoke(&(serial + 1).to_be_bytes());
        }
        s.impose(Condition::RevokedPck);
    });
}

#[test]
fn a_platform_below_every_level_is_not_supported() {
    let mut low = sgx(TcbStatus::OutOfDate);
    low.tcb_info.tcb_levels.truncate(3);
    refused(&low, Reason::TcbNotSupported);
    sgx_refused(Reason::QeNotSupported, |s| {
        s.qe.isvsvn = 0;
    });
    let mut pce = sgx(TcbStatus::UpToDate);
    pce.tcb_info.tcb_levels.retain(|level| level.tcb.pcesvn > 0);
    pce.pck_extension.as_mut().unwrap().pcesvn = 12;
    refused(&pce, Reason::TcbNotSupported);
}

#[test]
fn dates_are_checked_at_both_ends() {
    sgx_refused(Reason::CrlExpired, |s| {
        s.impose(Condition::ExpiredCollateral);
    });
    sgx_refused(Reason::CrlNotYetValid, |s| {
        s.impose(Condition::FutureCollateral);
    });
    sgx_refused(Reason::TcbInfoExpired, |s| s.tcb_info.next_update = NOW - Seconds(1));
    sgx_refused(Reason::TcbInfoNotYetValid, |s| s.tcb_info.issue_date = NOW + Seconds(1));
    sgx_refused(Reason::QeIdentityExpired, |s| s.qe_identity.next_update = NOW - Seconds(1));
    sgx_refused(Reason::QeIdentityNotYetValid, |s| s.qe_identity.issue_date = NOW + Seconds(1));
    sgx_refused(Reason::CrlExpired, |s| s.pck_crl.next_update = Some(NOW - Seconds(1)));
    sgx_refused(Reason::CrlNotYetValid, |s| s.pck_crl.this_update = NOW + Seconds(1));
    sgx_refused(Reason::CertificateExpired, |s| s.root.not_after = NOW - Seconds(1));
    sgx_refused(Reason::CertificateExpired, |s| s.pck_ca.not_after = NOW - Seconds(1));
    sgx_refused(Reason::CertificateExpired, |s| s.tcb_signer.not_after = NOW - Seconds(1));
    sgx_refused(Reason::CertificateExpired, |s| s.pck.not_after = NOW - Seconds(1));
    sgx_refused(Reason::CertificateNotYetValid, |s| s.root.not_before = NOW + Seconds(1));
    sgx_refused(Reason::CertificateNotYetValid, |s| s.pck_ca.not_before = NOW + Seconds(1));
    sgx_refused(Reason::CertificateNotYetValid, |s| s.tcb_signer.not_before = NOW + Seconds(1));
    sgx_refused(Reason::CertificateNotYetValid, |s| s.pck.not_before = NOW + Seconds(1));
}

#[test]
fn collateral_of_another_platform_is_refused() {
    sgx_refused(Reason::TcbInfoFmspc, |s| s.tcb_info.fmspc = b"SIM\0\0\x02".to_vec());
    sgx_refused(Reason::TcbInfoPceid, |s| s.tcb_info.pce_id = vec![0, 1]);
    sgx_refused(Reason::TcbInfoPceid, |s| {
        s.pck_extension.as_mut().unwrap().pceid = vec![0x11, 0x22]
    });
    sgx_refused(Reason::QeIdentityTee, |s| s.qe_identity.id = "QVE".to_owned());
    sgx_refused(Reason::QeIdentityTee, |s| s.qe_identity.id = "TD_QE".to_owned());
    let sgx_evidence = sgx(TcbStatus::UpToDate).evidence();
    let mut crossed = tdx(TcbStatus::UpToDate, 4, 2).evidence();
    crossed.collateral = sgx_evidence.collateral;
    assert_eq!(verify_evidence(&crossed).unwrap_err().reason(), Reason::TcbInfoTee);
    // The PCK CRL of the other CA.
    let mut platform = standard::platform(TcbStatus::UpToDate, 1);
    platform.ca = PckCa::Processor;
    let mut other = Scenario::new(&SEED, &platform, NOW).evidence();
    let own = sgx(TcbStatus::UpToDate).evidence();
    other.collateral.pck_crl = own.collateral.pck_crl.clone();
    assert_eq!(verify_evidence(&other).unwrap_err().reason(), Reason::CrlIssuer);
    other.collateral.pck_crl_issuer_chain = own.collateral.pck_crl_issuer_chain;
    assert_eq!(verify_evidence(&other).unwrap_err().reason(), Reason::CrlIssuer);
}

#[test]
fn another_enclave_than_the_quoting_enclave_is_refused() {
    sgx_refused(Reason::QeMrsigner, |s| s.qe.mrsigner.0[0] ^= 1);
    sgx_refused(Reason::QeIsvprodid, |s| s.qe.isvprodid = 2);
    sgx_refused(Reason::QeIsvprodid, |s| s.qe_identity.isvprodid = 3);
    sgx_refused(Reason::QeMiscselect, |s| s.qe_identity.miscselect = vec![1, 0, 0, 0]);
    sgx_refused(Reason::QeAttributes, |s| s.qe_identity.attributes[0] = 0x31);
    // A value outside its mask matches nothing.
    sgx_refused(Reason::QeAttributes, |s| s.qe_identity.attributes[8] = 1);
    sgx_refused(Reason::QeDebug, |s| {
        s.qe.attributes.flags = s.qe.attributes.flags.union(sgx_types::AttributeFlags::DEBUG);
    });
    // DEBUG is refused even when the mask hides it.
    sgx_refused(Reason::QeDebug, |s| {
        s.qe.attributes.flags = s.qe.attributes.flags.union(sgx_types::AttributeFlags::DEBUG);
        s.qe_identity.attributes_mask[0] = 0xf9;
    });
}

#[test]
fn the_quoting_enclave_must_commit_to_the_attestation_key() {
    sgx_refused(Reason::QeReportData, |s| s.qe_report_data = Some([0; 64]));
    // Bytes behind the hash must be zero, which other verifiers do not check.
    let scenario = sgx(TcbStatus::UpToDate);
    let data = quoting::quote::qe_report_data(
        &scenario.keys.attestation.public_key(),
        &scenario.auth_data,
    );
    sgx_refused(Reason::QeReportData, |s| {
        let mut data = data;
        data[63] = 1;
        s.qe_report_data = Some(data);
    });
    for length in [0, 1, 31, 33, 64, 1000, 65_535] {
        let mut scenario = sgx(TcbStatus::UpToDate);
        scenario.auth_data = vec![7; length];
        verify(&scenario).unwrap();
        scenario.qe_report_data = Some(data);
        refused(&scenario, Reason::QeReportData);
    }
}

#[test]
fn every_signature_is_checked() {
    for (part, reason) in [
        (Part::PckCa, Reason::ChainSignature),
        (Part::Pck, Reason::ChainSignature),
        (Part::TcbSigner, Reason::ChainSignature),
        (Part::RootCrl, Reason::CrlSignature),
        (Part::PckCrl, Reason::CrlSignature),
        (Part::TcbInfo, Reason::TcbInfoSignature),
        (Part::QeIdentity, Reason::QeIdentitySignature),
        (Part::QeReport, Reason::QeReportSignature),
        (Part::SignedQuote, Reason::QuoteSignature),
    ] {
        sgx_refused(reason, |s| {
            s.sign_with(part, stranger());
        });
    }
}

#[test]
fn degenerate_signatures_are_refused() {
    let order: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    for (part, reason) in [
        (Part::SignedQuote, Reason::QuoteSignature),
        (Part::QeReport, Reason::QeReportSignature),
        (Part::TcbInfo, Reason::TcbInfoSignature),
        (Part::QeIdentity, Reason::QeIdentitySignature),
    ] {
        for half in [0, 32] {
            for value in [[0; 32], order, [0xff; 32]] {
                sgx_refused(reason, |s| {
                    s.edit(part, Stage::AfterSigning, move |bytes| {
                        bytes[half..half + 32].copy_from_slice(&value);
                    });
                });
            }
        }
    }
    // An attestation key that is no point: the QE vouches for it, and nothing verifies under it.
    let evidence = sgx(TcbStatus::UpToDate);
    let bytes = evidence.quote();
    let mut zero_key = bytes.clone();
    let key_at = 48 + 384 + 4 + 64;
    zero_key[key_at..key_at + 64].fill(0);
    let mut evidence = evidence.evidence();
    evidence.quote = zero_key;
    assert_eq!(verify_evidence(&evidence).unwrap_err().reason(), Reason::QeReportData);
}

#[test]
fn certificates_keep_to_their_roles() {
    sgx_refused(Reason::ChainIncomplete, |s| s.pck.role = Role::Authority { path_length: None });
    sgx_refused(Reason::ChainRole, |s| s.pck_ca.role = Role::EndEntity);
    sgx_refused(Reason::ChainRole, |s| s.tcb_signer.role = Role::Authority { path_length: None });
    sgx_refused(Reason::CertificateCriticalExtension, |s| {
        s.pck.extensions.push(Extension { oid: vec![1, 2, 3], critical: true, value: vec![5, 0] });
    });
    sgx_refused(Reason::CertificateCriticalExtension, |s| {
        s.pck_ca.extensions.push(Extension {
            oid: vec![1, 2, 3],
            critical: true,
            value: vec![5, 0],
        });
    });
    sgx_refused(Reason::PckExtension, |s| s.pck_extension = None);
    sgx_refused(Reason::PckExtension, |s| s.pck_extension.as_mut().unwrap().fmspc.push(0));
    sgx_refused(Reason::PckExtension, |s| s.pck_extension.as_mut().unwrap().ppid.clear());
    sgx_refused(Reason::PckExtension, |s| {
        let twice = s.pck_extension.as_ref().unwrap().to_extension();
        s.pck.extensions.push(twice);
    });
}

#[test]
fn crls_need_what_intels_rules_ask_for() {
    sgx_refused(Reason::CrlMalformed, |s| s.root_crl.number = None);
    sgx_refused(Reason::CrlMalformed, |s| s.pck_crl.next_update = None);
    sgx_refused(Reason::ChainKeyIdentifier, |s| s.pck_crl.authority_key_id = None);
    sgx_refused(Reason::ChainKeyIdentifier, |s| s.root_crl.authority_key_id = Some([9; 20]));
    sgx_refused(Reason::CrlIssuer, |s| s.pck_crl.issuer = s.root.subject.clone());
    sgx_refused(Reason::ChainRoot, |s| s.root_crl.issuer = s.pck_ca.subject.clone());
}

#[test]
fn the_pck_chain_comes_in_any_order() {
    let scenario = sgx(TcbStatus::UpToDate);
    let pem = quoting::certificate::to_pem;
    let [leaf, ca, root] = [
        pem(&scenario.pck_certificate()),
        pem(&scenario.pck_ca_certificate()),
        pem(&scenario.root_certificate()),
    ];
    let with = |text: String| {
        let mut scenario = scenario.clone();
        scenario.certification = Some(CertificationData { data_type: 5, bytes: text.into_bytes() });
        verify(&scenario)
    };
    for order in [
        [&leaf, &ca, &root],
        [&leaf, &root, &ca],
        [&ca, &leaf, &root],
        [&ca, &root, &leaf],
        [&root, &leaf, &ca],
        [&root, &ca, &leaf],
    ] {
        with(order.map(String::as_str).concat()).unwrap();
    }
    with(format!("{leaf}{ca}{root}\0\0")).unwrap();
    with(format!("{leaf}{ca}")).unwrap();
    with(leaf.clone()).unwrap();
    let reason = |text: String| with(text).unwrap_err().reason();
    assert_eq!(reason(format!("{ca}{root}")), Reason::ChainIncomplete);
    assert_eq!(reason(format!("{leaf}{leaf}{ca}{root}")), Reason::ChainIncomplete);
    assert_eq!(reason(String::new()), Reason::ChainIncomplete);
    assert_eq!(
        reason([&leaf, &ca, &ca, &ca, &ca, &ca, &ca].map(String::as_str).concat()),
        Reason::ChainIncomplete
    );
    assert_eq!(reason(format!("junk{leaf}{ca}{root}")), Reason::CertificateMalformed);
    let stranger = Scenario::new(
        &quoting::Seed::new([1; 32]),
        &standard::platform(TcbStatus::UpToDate, 1),
        NOW,
    );
    assert_eq!(
        reason(format!("{leaf}{ca}{}", pem(&stranger.root_certificate()))),
        Reason::ChainRoot
    );
    assert_eq!(
        reason(format!("{leaf}{}{root}", pem(&stranger.pck_ca_certificate()))),
        Reason::ChainKeyIdentifier
    );
}

#[test]
fn every_certification_data_type_is_read() {
    let platform = |ppid: &[u8], pceid: Option<[u8; 2]>| {
        let mut bytes = ppid.to_vec();
        bytes.extend([8; 16]);
        bytes.extend(13_u16.to_le_bytes());
        bytes.extend(pceid.into_iter().flatten());
        bytes
    };
    let base = sgx(TcbStatus::UpToDate);
    let ppid = base.pck_extension.as_ref().unwrap().ppid.clone();
    let verify_with = |data_type: u16, bytes: Vec<u8>, chain: Option<String>| {
        let mut scenario = base.clone();
        scenario.certification = Some(CertificationData { data_type, bytes });
        let evidence = scenario.evidence();
        let mut collateral = world::collateral(&evidence);
        collateral.pck_certificate_chain = chain;
        let now = Time::from_unix(NOW.0);
        let verifier = world::verifier(&evidence);
        let verified = verifier.verify_collateral(&collateral, now).unwrap();
        verifier.verify_quote(&evidence.quote, &verified, now)
    };
    let chain = || Some(base.pck_chain());
    let reason =
        |data_type, bytes, chain| verify_with(data_type, bytes, chain).unwrap_err().reason();

    verify_with(1, platform(&ppid, None), chain()).unwrap();
    verify_with(1, platform(&ppid, Some([0, 0])), chain()).unwrap();
    verify_with(2, platform(&[9; 256], Some([0, 0])), chain()).unwrap();
    verify_with(3, platform(&[9; 384], Some([0, 0])), chain()).unwrap();
    verify_with(4, base.pck_certificate(), None).unwrap();
    verify_with(4, quoting::certificate::to_pem(&base.pck_certificate()).into_bytes(), None)
        .unwrap();
    verify_with(7, vec![1, 2, 3], chain()).unwrap();
    for kind in [1, 2, 3, 7] {
        let ppid = vec![9; [0, 16, 256, 384][usize::from(kind) % 4]];
        assert_eq!(reason(kind, platform(&ppid, None), None), Reason::PckUnavailable);
    }
    assert_eq!(reason(1, platform(&[1; 16], None), chain()), Reason::PckOtherPlatform);
    assert_eq!(reason(3, platform(&[9; 384], Some([1, 0])), chain()), Reason::PckOtherPlatform);
    assert_eq!(
        reason(1, platform(&ppid, None)[..33].to_vec(), chain()),
        Reason::QuoteCertificationData
    );
    assert_eq!(reason(3, platform(&ppid, None), chain()), Reason::QuoteCertificationData);
    for unknown in [0, 6, 8, 65_535] {
        assert_eq!(reason(unknown, vec![0; 36], chain()), Reason::QuoteCertificationData);
    }
}

#[test]
fn tdx_modules_are_judged_by_their_identity() {
    let edit = |at: usize, value: u8| {
        let mut scenario = tdx(TcbStatus::UpToDate, 4, 2);
        scenario.body.bytes[at] = value;
        scenario
    };
    refused(&edit(MRSIGNERSEAM, 1), Reason::TdxModuleSigner);
    refused(&edit(SEAM_ATTRIBUTES, 1), Reason::TdxModuleAttributes);
    refused(&edit(1, 9), Reason::TdxModuleUnknown);
    refused(&edit(0, 0), Reason::TdxModuleNotSupported);
    refused(&edit(0, 1), Reason::TcbRevoked);
    refused(&edit(2, 4), Reason::TcbNotSupported);
    let old_module = verify(&edit(0, 2)).unwrap().tcb.unwrap();
    assert_eq!(old_module.status, dcap::TcbStatus::OutOfDate);
    assert_eq!(old_module.advisories, ["EMU-SA-10001"]);
    assert_eq!(old_module.tdx_module.unwrap().status, dcap::TcbStatus::OutOfDate);
    // Module version 0 has no identity of its own: TCB info's default one counts.
    let unversioned = verify(&edit(1, 0)).unwrap();
    assert_eq!(unversioned.tcb.unwrap().tdx_module, None);
    // SEAMATTRIBUTES must be zero even where an identity asks for something else.
    let mut scenario = edit(SEAM_ATTRIBUTES, 1);
    scenario.tcb_info.tdx_module_identities[0].module.attributes = vec![1, 0, 0, 0, 0, 0, 0, 0];
    refused(&scenario, Reason::TdxModuleAttributes);
    let mut no_module = tdx(TcbStatus::UpToDate, 4, 2);
    no_module.tcb_info.tdx_module = None;
    refused(&no_module, Reason::TcbInfoMalformed);
}

#[test]
fn a_td_updated_underneath_is_advised_to_relaunch() {
    let launched = |status: TcbStatus, launch_module: u8, current_module: u8| {
        let mut scenario = tdx(status, 5, 3);
        scenario.body.bytes[0] = launch_module;
        scenario.body.bytes[TEE_TCB_SVN2] = current_module;
        scenario
    };
    let status = |scenario: &Scenario| verify(scenario).unwrap().tcb.unwrap().status;
    use dcap::TcbStatus as S;
    assert_eq!(status(&launched(TcbStatus::UpToDate, 2, 4)), S::TDRelaunchAdvised);
    assert_eq!(status(&launched(TcbStatus::SWHardeningNeeded, 2, 4)), S::TDRelaunchAdvised);
    for base in [TcbStatus::ConfigurationNeeded, TcbStatus::ConfigurationAndSWHardeningNeeded] {
        assert_eq!(status(&launched(base, 2, 4)), S::TDRelaunchAdvisedConfigurationNeeded);
    }
    assert_eq!(status(&launched(TcbStatus::UpToDate, 2, 2)), S::OutOfDate);
    assert_eq!(status(&launched(TcbStatus::OutOfDate, 4, 4)), S::OutOfDate);
    assert_eq!(status(&launched(TcbStatus::UpToDate, 4, 2)), S::UpToDate);
    refused(&launched(TcbStatus::UpToDate, 4, 1), Reason::TcbRevoked);
    refused(&launched(TcbStatus::UpToDate, 4, 0), Reason::TdxModuleNotSupported);
    // An outdated quoting enclave leaves nothing to relaunch for.
    let mut scenario = launched(TcbStatus::UpToDate, 2, 4);
    scenario.impose(Condition::OutdatedQuotingEnclave);
    scenario.header.qe_svn = 0;
    assert_eq!(status(&scenario), S::OutOfDate);
}

#[test]
fn kss_enclaves_show_their_configuration() {
    let mut scenario = sgx(TcbStatus::UpToDate);
    let body = &mut scenario.body.bytes;
    body[48] |= 0x80; // ATTRIBUTES.KSS
    body[32..48].fill(0x11); // ISVEXTPRODID
    body[192..256].fill(0x22); // CONFIGID
    body[260..262].copy_from_slice(&7_u16.to_le_bytes()); // CONFIGSVN
    body[304..320].fill(0x33); // ISVFAMILYID
    let claims = verify(&scenario).unwrap();
    let enclave = claims.sgx().unwrap();
    assert!(enclave.kss);
    assert_eq!(enclave.isvextprodid.0, [0x11; 16]);
    assert_eq!(enclave.configid.0, [0x22; 64]);
    assert_eq!(enclave.configsvn, 7);
    assert_eq!(enclave.isvfamilyid.0, [0x33; 16]);
}

#[test]
fn debug_and_migration_are_facts() {
    let mut scenario = sgx(TcbStatus::UpToDate);
    scenario.body.bytes[48] |= 2;
    assert!(verify(&scenario).unwrap().debug);
    for (byte, bit, debug) in [(0, 0x01, true), (0, 0x40, true), (3, 0x20, false)] {
        let mut scenario = tdx(TcbStatus::UpToDate, 4, 2);
        scenario.body.bytes[TD_ATTRIBUTES + byte] |= bit;
        let claims = verify(&scenario).unwrap();
        assert_eq!(claims.debug, debug);
        assert_eq!(claims.tdx().unwrap().migratable, byte == 3);
        assert!(claims.tdx().unwrap().sept_ve_disable);
    }
}

#[test]
fn padding_is_a_fact_and_junk_inside_is_refused() {
    let base = sgx(TcbStatus::UpToDate).evidence();
    let plain = verify_evidence(&base).unwrap();
    assert_eq!((plain.padding.bytes, plain.padding.all_zero), (0, true));
    for (junk, zero) in [(vec![0; 3000], true), (vec![1; 5], false)] {
        let mut evidence = base.clone();
        evidence.quote.extend(&junk);
        let claims = verify_evidence(&evidence).unwrap();
        assert_eq!((claims.padding.bytes, claims.padding.all_zero), (junk.len(), zero));
        assert_eq!(claims.signed_sha256, plain.signed_sha256, "one identity for every encoding");
    }
    let mut inside = base;
    let at = 48 + 384;
    let length = u32::from_le_bytes(inside.quote[at..at + 4].try_into().unwrap()) + 4;
    inside.quote[at..at + 4].copy_from_slice(&length.to_le_bytes());
    inside.quote.extend([0; 4]);
    assert_eq!(verify_evidence(&inside).unwrap_err().reason(), Reason::QuoteAuthData);
}

#[test]
fn headers_are_checked() {
    sgx_refused(Reason::QuoteVersion, |s| s.header.version = 2);
    sgx_refused(Reason::QuoteVersion, |s| s.header.version = 6);
    sgx_refused(Reason::QuoteTeeType, |s| s.header.tee_type = 0x81);
    sgx_refused(Reason::QuoteTeeType, |s| s.header.tee_type = 1);
    sgx_refused(Reason::QuoteKeyType, |s| s.header.attestation_key_type = 3);
    sgx_refused(Reason::QuoteVendor, |s| s.header.vendor_id[15] ^= 1);
    let v5 = |body_type: u16| {
        let mut scenario = tdx(TcbStatus::UpToDate, 5, 3);
        scenario.body.body_type = body_type;
        scenario
    };
    refused(&v5(0), Reason::QuoteBody);
    refused(&v5(5), Reason::QuoteBody);
    refused(&v5(2), Reason::QuoteBody);
    refused(&v5(1), Reason::QuoteTeeType);
    let mut notes = sgx(TcbStatus::UpToDate);
    (notes.header.qe_svn, notes.header.pce_svn) = (1, 1);
    assert_eq!(
        verify(&notes).unwrap().notes,
        [dcap::Note::HeaderQeSvnDiffers, dcap::Note::HeaderPceSvnDiffers]
    );
}

#[test]
fn signed_json_that_is_not_what_it_should_be_is_refused() {
    let replace = |part: Part, from: &'static str, to: &'static str| {
        let mut scenario = sgx(TcbStatus::UpToDate);
        scenario.edit(part, Stage::BeforeSigning, move |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(text.contains(from), "{from} is in {text}");
            *bytes = text.replacen(from, to, 1).into_bytes();
        });
        scenario
    };
    for (from, to, reason) in [
        ("\"version\":3", "\"version\":4", Reason::TcbInfoVersion),
        ("\"version\":3", "\"version\":2", Reason::TcbInfoMalformed),
        ("\"tcbType\":0", "\"tcbType\":1", Reason::TcbInfoVersion),
        ("\"id\":\"SGX\"", "\"id\":\"QE\"", Reason::TcbInfoMalformed),
        ("\"id\":\"SGX\",", "", Reason::TcbInfoMalformed),
        ("UpToDate", "Fine", Reason::TcbStatusUnknown),
        ("UpToDate", "TDRelaunchAdvised", Reason::TcbStatusUnknown),
        ("\"pcesvn\":13", "\"pcesvn\":-1", Reason::TcbInfoMalformed),
        ("\"pcesvn\":13", "\"pcesvn\":65536", Reason::TcbInfoMalformed),
        ("\"pcesvn\":13", "\"pcesvn\":13.0", Reason::TcbInfoMalformed),
        ("\"pcesvn\":13", "\"pcesvn\":\"13\"", Reason::TcbInfoMalformed),
        ("\"svn\":8", "\"svn\":256", Reason::TcbInfoMalformed),
        ("\"fmspc\":\"53", "\"fmspc\":\"3", Reason::TcbInfoMalformed),
        ("\"tcbType\":0", "\"tcbType\":0,\"tcbType\":0", Reason::TcbInfoMalformed),
        ("T00:00:00Z\",\"nextUpdate", "T00:00:00+00:00\",\"nextUpdate", Reason::TcbInfoMalformed),
    ] {
        refused(&replace(Part::TcbInfo, from, to), reason);
    }
    for (from, to, reason) in [
        ("\"version\":2", "\"version\":1", Reason::QeIdentityVersion),
        ("\"version\":2", "\"version\":3", Reason::QeIdentityVersion),
        ("UpToDate", "SWHardeningNeeded", Reason::TcbStatusUnknown),
        ("\"isvprodid\":1", "\"isvprodid\":65536", Reason::QeIdentityMalformed),
        ("\"miscselect\":\"00", "\"miscselect\":\"", Reason::QeIdentityMalformed),
    ] {
        refused(&replace(Part::QeIdentity, from, to), reason);
    }
    sgx_refused(Reason::TcbInfoMalformed, |s| s.tcb_info.tcb_levels.clear());
    sgx_refused(Reason::QeIdentityMalformed, |s| s.qe_identity.tcb_levels.clear());
    sgx_refused(Reason::TcbInfoTee, |s| s.tcb_info = tdx(TcbStatus::UpToDate, 4, 2).tcb_info);
}

#[test]
fn version_2_and_any_order_of_levels_give_the_same_result() {
    for status in TcbStatus::ALL {
        let mut scenario = sgx(status);
        scenario.tcb_info = scenario.tcb_info.into_version_2();
        let mut reversed = sgx(status);
        reversed.tcb_info.tcb_levels.reverse();
        if status == TcbStatus::Revoked {
            refused(&scenario, Reason::TcbRevoked);
            refused(&reversed, Reason::TcbRevoked);
            continue;
        }
        let claims = verify(&scenario).unwrap();
        assert_eq!(claims.tcb.unwrap().status.as_str(), status.as_str());
        assert_eq!(claims.notes, [dcap::Note::TcbInfoVersion2]);
        assert_eq!(verify(&reversed).unwrap().tcb.unwrap().status.as_str(), status.as_str());
    }
}

/// Every truncation of quote and collateral is refused, and blamed on the bytes.
#[test]
fn every_truncation_is_malformed() {
    for scenario in [sgx(TcbStatus::UpToDate), tdx(TcbStatus::UpToDate, 5, 4)] {
        let evidence = scenario.evidence();
        let verifier = world::verifier(&evidence);
        let now = Time::from_unix(NOW.0);
        let verified = verifier.verify_collateral(&world::collateral(&evidence), now).unwrap();
        for length in 0..evidence.quote.len() {
            let refusal =
                verifier.verify_quote(&evidence.quote[..length], &verified, now).unwrap_err();
            assert_eq!(refusal.blame(), Blame::Malformed, "{length}: {refusal}");
        }
        let collateral = world::collateral(&evidence);
        for cut in 0..collateral.pck_crl.len() {
            let short =
                Collateral { pck_crl: collateral.pck_crl[..cut].to_vec(), ..collateral.clone() };
            let refusal = verifier.verify_collateral(&short, now).unwrap_err();
            assert_eq!(refusal.blame(), Blame::Malformed, "{cut}: {refusal}");
        }
    }
}
