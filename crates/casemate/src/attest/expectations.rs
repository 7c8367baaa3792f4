//! What production evidence should be, where no policy says otherwise.

use dcap::{Claims, TcbStatus};

/// What the claims lack of it, in words.
pub(super) fn failed(claims: &Claims) -> Vec<String> {
    let mut failed = Vec::new();
    if claims.is_emulated() {
        failed.push(format!(
            "the evidence is emulated (root {} {}): it proves nothing about hardware",
            claims.root.name, claims.root.spki_sha256
        ));
    }
    if claims.debug {
        failed
            .push("the workload is in debug mode: its memory can be read from outside".to_owned());
    }
    let outdated = matches!(
        claims.tcb_status(),
        Some(
            TcbStatus::OutOfDate
                | TcbStatus::OutOfDateConfigurationNeeded
                | TcbStatus::TDRelaunchAdvised
                | TcbStatus::TDRelaunchAdvisedConfigurationNeeded
        )
    );
    if let (Some(tcb), true) = (&claims.tcb, outdated) {
        failed.push(format!("the platform's TCB is {}: {}", tcb.status, list(&tcb.advisories)));
    }
    if !claims.padding.all_zero {
        failed.push(format!(
            "{} bytes that nobody signed follow the evidence and are not zero",
            claims.padding.bytes
        ));
    }
    failed
}

fn list(advisories: &[String]) -> String {
    if advisories.is_empty() { "no advisories listed".to_owned() } else { advisories.join(", ") }
}
