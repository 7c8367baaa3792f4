//! Results in plain words.

use std::fmt::Write as _;

use dcap::{
    Claims, EvidenceFormat, Note, Platform, Refusal, Tee, Time, Workload, ratls::RaTlsBinding,
};

use crate::text;

/// What was proved, and what was not.
pub(super) fn verified(
    claims: &Claims,
    binding: Option<RaTlsBinding>,
    custom: &[(String, Vec<u8>)],
) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "Verified at {}: {}", claims.verified_at, title(claims));
    let _ = writeln!(out, "\nProved:");
    for line in proved(claims).iter().chain(binding.map(bound).iter()) {
        let _ = writeln!(out, "  - {line}");
    }
    for (name, value) in custom {
        let _ = writeln!(out, "  - its custom claim {name:?} is {}", text::to_hex(value));
    }
    let _ = writeln!(out, "\nNot proved:");
    for line in not_proved(claims, binding) {
        let _ = writeln!(out, "  - {line}");
    }
    let notes: Vec<_> = claims.notes.iter().map(|note| explain_note(*note)).collect();
    if !notes.is_empty() {
        let _ = writeln!(out, "\nNoteworthy:");
        for note in notes {
            let _ = writeln!(out, "  - {note}");
        }
    }
    out
}

/// What production evidence would have and this lacks.
pub(super) fn expectations(failed: &[String], policy_free: bool) -> String {
    if failed.is_empty() {
        return String::new();
    }
    let mut text = if policy_free {
        "\nProduction would refuse it (not judged, --policy-free):\n".to_owned()
    } else {
        "\nRefused, although it verifies:\n".to_owned()
    };
    for line in failed {
        let _ = writeln!(text, "  - {line}");
    }
    text
}

/// Why nothing was proved.
pub(super) fn refused(refusal: &Refusal, now: Time) -> String {
    let reason = refusal.reason();
    format!(
        "Not verified at {now}: nothing is proved.\n\n  {}\n\n  reason  {} ({:?})\n  cause   {}\n  do      {}\n",
        refusal.detail(),
        reason.code(),
        refusal.blame(),
        reason.cause(),
        reason.action()
    )
}

fn title(claims: &Claims) -> String {
    let tee = match claims.tee {
        Tee::Sgx => "an SGX enclave",
        Tee::Tdx => "a TDX trust domain",
        Tee::SevSnp => "an SEV-SNP guest",
        _ => "a workload",
    };
    let format = match claims.format {
        EvidenceFormat::Quote(version) => format!("quote version {version}"),
        EvidenceFormat::SnpReport(version) => format!("report version {version}"),
        _ => "evidence".to_owned(),
    };
    let emulated = if claims.is_emulated() { " EMULATED," } else { "" };
    format!("{tee},{emulated} {format}")
}

fn proved(claims: &Claims) -> Vec<String> {
    let mut lines =
        vec![format!("the evidence chains to {} ({:?})", claims.root.name, claims.root.kind)];
    lines.extend(workload(&claims.workload));
    lines.push(format!("it was given this report data: {}", claims.report_data));
    lines.extend(platform(&claims.platform));
    if let Some(tcb) = &claims.tcb {
        let advisories =
            if tcb.advisories.is_empty() { "none".to_owned() } else { tcb.advisories.join(", ") };
        lines.push(format!(
            "Intel says of its TCB: {} (platform {}, quoting enclave {}; patches up to {}; evaluation {}); advisories: {advisories}",
            tcb.status, tcb.platform.status, tcb.qe.status, tcb.date, tcb.evaluation_data_number
        ));
    }
    let collateral = &claims.collateral;
    lines.push(format!(
        "the collateral is genuine and valid from {} to {}",
        collateral.latest_issue, collateral.earliest_expiration
    ));
    lines
}

fn workload(workload: &Workload) -> Vec<String> {
    match workload {
        Workload::Sgx(enclave) => vec![
            format!("it runs the enclave MRENCLAVE {}", enclave.mrenclave),
            format!(
                "signed by MRSIGNER {}, product {}, security version {}",
                enclave.mrsigner, enclave.isvprodid, enclave.isvsvn
            ),
        ],
        Workload::Tdx(td) => vec![
            format!("it started from MRTD {}", td.mrtd),
            format!(
                "its run-time measurements are {}",
                td.rtmr.map(|register| register.to_string()).join(", ")
            ),
        ],
        Workload::SevSnp(guest) => vec![
            format!("it started from measurement {}", guest.measurement),
            format!(
                "asked at privilege level VMPL {}, guest version {}",
                guest.vmpl, guest.guest_svn
            ),
        ],
        _ => Vec::new(),
    }
}

fn platform(platform: &Platform) -> Vec<String> {
    match platform {
        Platform::Dcap(platform) => vec![format!(
            "it runs on the platform PPID {}, family FMSPC {}, certified by {}",
            platform.pck.ppid, platform.pck.fmspc, platform.pck_ca
        )],
        Platform::SevSnp(platform) => {
            let chip = platform.chip_id.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
            vec![
                format!(
                    "it runs on {} chip {chip}, key {:?}",
                    platform.product_name, platform.key_kind
                ),
                format!("whose reported TCB is {}", platform.reported_tcb),
            ]
        }
        _ => Vec::new(),
    }
}

fn bound(binding: RaTlsBinding) -> String {
    let how = match binding {
        RaTlsBinding::ClaimsBuffer => "through the claims buffer (interoperable form)",
        RaTlsBinding::Spki => "by the hash of its SubjectPublicKeyInfo",
        RaTlsBinding::Pkcs1 => "by the hash of its RSA key",
        RaTlsBinding::Point => "by the hash of its point",
        _ => "in another way",
    };
    format!("the evidence commits to the certificate's key {how}")
}

fn not_proved(claims: &Claims, binding: Option<RaTlsBinding>) -> Vec<String> {
    let mut lines =
        vec!["that the code is good: compare the measurements with what you built".to_owned()];
    if binding.is_none() {
        lines
            .push("to whom it belongs: compare the report data with your key and nonce".to_owned());
    }
    lines.push("that it is fresh: only a nonce in the report data shows that".to_owned());
    if !claims.collateral.revocation_checked {
        lines.push("that AMD's signing key is not revoked: no CRL was given".to_owned());
    }
    if claims.tcb.is_none() {
        lines.push(
            "that the platform is up to date: compare its TCB with your own minimum".to_owned(),
        );
    }
    lines.push(
        "whose building the machine stands in: physical attacks leave no trace in evidence"
            .to_owned(),
    );
    lines
}

fn explain_note(note: Note) -> &'static str {
    match note {
        Note::HeaderQeSvnDiffers => {
            "the header names another quoting enclave version than its report"
        }
        Note::HeaderPceSvnDiffers => {
            "the header names another PCE version than the PCK certificate"
        }
        Note::HeaderReservedNotZero => "reserved bytes of the header are not zero",
        Note::OtherRootCertificate => "the chain has another certificate of the trusted root key",
        Note::TcbInfoVersion2 => "TCB info has the older format 2",
        Note::ChipIdMasked => "the report masks its chip id",
        _ => "something this version has no words for",
    }
}
