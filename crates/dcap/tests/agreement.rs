//! Agreement with an independent verifier, crate `dcap-qvl`, on mutated real and emulated evidence.
//!
//! Both verifiers get the same bytes at the same time. Where one accepts and the other refuses, or
//! both accept with different verdicts, the case must belong to a class of [`CLASSES`], which are
//! the rows of `docs/reference/verifier-decisions.md`.
//!
//! `cargo test` runs the short form. `DCAP_AGREEMENT=20000 cargo test -p dcap --test agreement` runs
//! that many mutations; `DCAP_AGREEMENT_SEED` starts elsewhere.

#[path = "it/data.rs"]
mod data;
#[path = "it/mutate.rs"]
mod mutate;
#[path = "it/world.rs"]
mod world;

use std::collections::BTreeMap;

use dcap::{Anchors, Claims, Collateral, Platform, Reason, Refusal, Time, Verifier};
use dcap_qvl::{QuoteCollateralV3, verify::QuoteVerifier};
use mutate::{Input, Mutator, Roots};

/// A difference that is meant.
struct Class {
    /// The anchor of its row on the decisions page.
    name: &'static str,
    /// Reasons with which this crate refuses what the other accepts. Empty: this crate accepts.
    ours: &'static [Reason],
    /// Beginnings of messages with which the other refuses what this crate accepts.
    theirs: &'static [&'static str],
}

const CLASSES: &[Class] = &[
    // --- this crate is stricter
    Class { name: "qe-report-data-tail", ours: &[Reason::QeReportData], theirs: &[] },
    Class { name: "junk-in-signature-data", ours: &[Reason::QuoteAuthData], theirs: &[] },
    Class { name: "pceid", ours: &[Reason::TcbInfoPceid, Reason::PckOtherPlatform], theirs: &[] },
    Class {
        name: "names-and-key-identifiers",
        ours: &[Reason::ChainName, Reason::ChainKeyIdentifier],
        theirs: &[],
    },
    Class {
        name: "crl-dates-and-extensions",
        ours: &[Reason::CrlNotYetValid, Reason::CrlMalformed],
        theirs: &[],
    },
    Class {
        name: "pck-crl-issuer-chain",
        ours: &[
            Reason::CertificateMalformed,
            Reason::CertificateAlgorithm,
            Reason::ChainIncomplete,
            Reason::ChainSignature,
            Reason::ChainRoot,
            Reason::ChainRole,
            Reason::CrlIssuer,
            Reason::CertificateCriticalExtension,
            Reason::CertificateExpired,
            Reason::CertificateNotYetValid,
            Reason::PckCaRevoked,
        ],
        theirs: &[],
    },
    Class {
        name: "strict-json",
        ours: &[
            Reason::TcbInfoMalformed,
            Reason::QeIdentityMalformed,
            Reason::TcbInfoVersion,
            Reason::QeIdentityVersion,
            Reason::TcbStatusUnknown,
        ],
        theirs: &[],
    },
    Class { name: "strict-pck-extension", ours: &[Reason::PckExtension], theirs: &[] },
    Class { name: "seam-attributes", ours: &[Reason::TdxModuleAttributes], theirs: &[] },
    Class {
        name: "qe-identity-masks",
        ours: &[Reason::QeAttributes, Reason::QeMiscselect],
        theirs: &[],
    },
    Class {
        name: "certification-data",
        ours: &[Reason::QuoteCertificationData, Reason::PckUnavailable],
        theirs: &[],
    },
    // --- the other is stricter
    Class {
        name: "facts-not-refusals",
        ours: &[],
        theirs: &[
            "SEPT_VE_DISABLE is not enabled",
            "TD migration is enabled",
            "Reserved bits in TD attributes are set",
            "SERVTD_EXT is enabled",
            "Invalid MR service TD",
        ],
    },
    Class { name: "qe-auth-data-length", ours: &[], theirs: &["Invalid QE auth data length"] },
    Class {
        name: "tcb-info-version-2",
        ours: &[],
        theirs: &[
            "Failed to decode TcbInfo: missing field `sgxtcbcomponents`",
            "Failed to decode TcbInfo: missing field `id`",
        ],
    },
    Class {
        name: "sgx-in-version-4-and-5",
        ours: &[],
        theirs: &["SGX TEE quote must have version 3"],
    },
    Class { name: "certification-types", ours: &[], theirs: &["Unsupported DCAP PCK cert format"] },
    Class {
        name: "other-root-and-chain-bytes",
        ours: &[],
        theirs: &[
            "Failed to decode certificate: malformed OID",
            "Failed to verify certificate chain",
            "Failed to extract",
            "Failed to parse",
        ],
    },
];

/// Accepted by this crate with a verdict of its own: a PCK certificate whose CPUSVN is not its
/// components, which only a mutation that is signed again makes. Recognised by the certificate and not
/// by the other's answer.
const SVNS: Class = Class { name: "svns-of-the-platform", ours: &[], theirs: &[] };

type Theirs = Result<(String, Vec<String>), String>;

fn ours(input: &Input, roots: &Roots) -> Result<Claims, Refusal> {
    let anchors = match roots {
        Roots::Intel => Anchors::production(),
        Roots::Emulator(root) => Anchors::none().with_emulator_root(root)?,
    };
    let verifier = Verifier::new(anchors);
    let now = Time::from_unix(input.now);
    let verified = verifier.verify_collateral(&input.collateral, now)?;
    verifier.verify_quote(&input.quote, &verified, now)
}

fn theirs(input: &Input, roots: &Roots) -> Theirs {
    let verifier = match roots {
        Roots::Intel => QuoteVerifier::new_prod(),
        Roots::Emulator(root) => QuoteVerifier::new(root.clone()),
    };
    verifier
        .allow_debug(true)
        .allow_service_td(true)
        .verify(&input.quote, &their_collateral(&input.collateral), input.now)
        .map(|report| (report.status, report.advisory_ids))
        .map_err(|error| format!("{error:#}"))
}

fn their_collateral(ours: &Collateral) -> QuoteCollateralV3 {
    QuoteCollateralV3 {
        pck_crl_issuer_chain: ours.pck_crl_issuer_chain.clone(),
        root_ca_crl: ours.root_ca_crl.clone(),
        pck_crl: ours.pck_crl.clone(),
        tcb_info_issuer_chain: ours.tcb_info_issuer_chain.clone(),
        tcb_info: ours.tcb_info.clone(),
        tcb_info_signature: ours.tcb_info_signature.clone(),
        qe_identity_issuer_chain: ours.qe_identity_issuer_chain.clone(),
        qe_identity: ours.qe_identity.clone(),
        qe_identity_signature: ours.qe_identity_signature.clone(),
        pck_certificate_chain: ours.pck_certificate_chain.clone(),
    }
}

/// What became of one input.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    BothAccept,
    BothRefuse,
    Class(&'static str),
    Unexplained(String),
}

fn compare(ours: &Result<Claims, Refusal>, theirs: &Theirs) -> Outcome {
    match (ours, theirs) {
        (Ok(claims), other) if !svns_agree(claims) && verdict(claims) != *other => {
            Outcome::Class(SVNS.name)
        }
        (Ok(claims), Ok((status, advisories))) => {
            let tcb = claims.tcb.as_ref().expect("quotes have a verdict");
            // An advisory that a level lists twice is there twice in the other's list.
            let mut each_once: Vec<String> = Vec::new();
            for advisory in advisories {
                if !each_once.contains(advisory) {
                    each_once.push(advisory.clone());
                }
            }
            if tcb.status.as_str() == status && tcb.advisories == each_once {
                Outcome::BothAccept
            } else {
                Outcome::Unexplained(format!(
                    "verdicts differ: ours {} {:?}, theirs {status} {advisories:?}",
                    tcb.status, tcb.advisories
                ))
            }
        }
        (Err(_), Err(_)) => Outcome::BothRefuse,
        (Err(refusal), Ok(_)) => {
            CLASSES.iter().find(|class| class.ours.contains(&refusal.reason())).map_or_else(
                || Outcome::Unexplained(format!("only we refuse: {refusal}")),
                |class| Outcome::Class(class.name),
            )
        }
        (Ok(_), Err(error)) => CLASSES
            .iter()
            .find(|class| class.theirs.iter().any(|start| error.starts_with(start)))
            .map_or_else(
                || Outcome::Unexplained(format!("only they refuse: {error}")),
                |class| Outcome::Class(class.name),
            ),
    }
}

fn svns_agree(claims: &Claims) -> bool {
    let Platform::Dcap(platform) = &claims.platform else { return true };
    platform.pck.cpusvn == platform.pck.tcb_components
}

/// Our verdict in the other's form.
fn verdict(claims: &Claims) -> Theirs {
    let tcb = claims.tcb.as_ref().expect("quotes have a verdict");
    Ok((tcb.status.as_str().to_owned(), tcb.advisories.clone()))
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn mutated_evidence_has_the_same_verdict_or_a_known_difference() {
    let count = from_environment("DCAP_AGREEMENT", 2_500);
    let seed = from_environment("DCAP_AGREEMENT_SEED", 1);
    let mut outcomes: BTreeMap<Outcome, u64> = BTreeMap::new();
    let mut unexplained = Vec::new();
    let mut mutator = Mutator::new(seed);
    for number in 0..count {
        let (input, roots, what) = mutator.next_input();
        let (our_result, their_result) = (ours(&input, &roots), theirs(&input, &roots));
        let outcome = compare(&our_result, &their_result);
        if let Outcome::Unexplained(difference) = &outcome {
            unexplained.push(format!(
                "seed {seed} number {number} ({what}): {difference}; theirs: {their_result:?}"
            ));
            continue;
        }
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("{count} mutations: {outcomes:#?}");
    assert!(
        unexplained.is_empty(),
        "{} unexplained:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
    let accepted = outcomes.get(&Outcome::BothAccept).copied().unwrap_or_default();
    let refused = outcomes.get(&Outcome::BothRefuse).copied().unwrap_or_default();
    assert!(accepted * 20 > count, "too few mutations leave anything to accept: {accepted}");
    assert!(refused * 4 > count, "too few mutations are refused: {refused}");
}

/// Unchanged evidence: agreement on all cases the other one can read.
#[test]
fn real_evidence_has_the_same_verdict() {
    for quote in &data::manifest().dcap {
        for case in &quote.cases {
            let input = Input {
                quote: data::read(&quote.file),
                collateral: data::collateral(&case.collateral),
                now: case.verify_at_unix,
            };
            let outcome = compare(&ours(&input, &Roots::Intel), &theirs(&input, &Roots::Intel));
            let known = ["tcb-info-version-2", "facts-not-refusals"];
            let fine = match &outcome {
                Outcome::BothAccept | Outcome::BothRefuse => true,
                Outcome::Class(name) => known.contains(name),
                Outcome::Unexplained(_) => false,
            };
            assert!(fine, "{} with {}: {outcome:?}", quote.file, case.collateral);
        }
    }
}

/// Every class is a row of the decisions page.
#[test]
fn every_class_is_explained() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/reference/verifier-decisions.md");
    let page = std::fs::read_to_string(page).expect("the page is in the repository");
    for class in CLASSES.iter().chain([&SVNS]) {
        assert!(page.contains(&format!("`{}`", class.name)), "{} has no row", class.name);
    }
}
