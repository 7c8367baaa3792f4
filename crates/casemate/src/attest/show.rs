//! `casemate attest show`: decodes every field and verifies nothing.

use std::path::PathBuf;

use anyhow::Result;
use dcap::{Body, CertificationData, Quote, ReportBody, TdReport, snp::SnpReport};
use serde_json::{Map, Value, json};

use super::evidence::{self, Evidence, File};
use crate::{exit::Exit, files, text::to_hex};

/// Print every field of evidence without verifying anything.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A quote, an SNP report, or a certificate with either inside (DER or PEM).
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        let file = File::new(files::read(&self.file)?)?;
        match file.evidence().and_then(|evidence| describe(&evidence)) {
            Ok(value) if self.json => println!("{value:#}"),
            Ok(value) => print_tree(&value, 0),
            Err(refusal) => {
                eprintln!("casemate: {}: {refusal}", self.file.display());
                return Ok(Exit::Evidence(refusal.blame()));
            }
        }
        Ok(Exit::Success)
    }
}

fn describe(evidence: &Evidence<'_>) -> Result<Value, dcap::Refusal> {
    match evidence {
        Evidence::Quote(bytes) => Quote::parse(bytes).map(|parsed| quote(&parsed)),
        Evidence::Report(bytes) => {
            let report = bytes.get(..SnpReport::SIZE).unwrap_or(bytes);
            SnpReport::parse(report).map(|parsed| snp(&parsed))
        }
        Evidence::Envelope(envelope) => {
            let report = SnpReport::parse(envelope.report)?;
            let runtime_data = String::from_utf8_lossy(envelope.runtime_data);
            Ok(json!({ "report": snp(&report), "runtime_data": runtime_data }))
        }
        Evidence::Certificate(certificate) => {
            let mut list = Vec::new();
            for piece in certificate.evidence() {
                list.push(json!({
                    "form": piece.form,
                    "nonce": piece.claims.as_ref().and_then(|claims| claims.nonce()).map(to_hex),
                    "evidence": describe(&evidence::inner(piece.kind, piece.evidence))?,
                    "endorsements_bytes": piece.endorsements.len(),
                }));
            }
            let key = to_hex(certificate.subject_public_key_info());
            Ok(json!({ "subject_public_key_info": key, "evidence": list }))
        }
    }
}

fn quote(quote: &Quote<'_>) -> Value {
    let (header, auth) = (&quote.header, &quote.auth);
    let body = match &quote.body {
        Body::Sgx(report) => sgx(report),
        Body::Td(report) => td(report),
    };
    let qe = ReportBody::parse(auth.qe_report);
    json!({
        "header": {
            "version": header.version,
            "tee": header.tee,
            "qe_svn": header.qe_svn,
            "pce_svn": header.pce_svn,
            "vendor": to_hex(header.vendor),
            "user_data": to_hex(header.user_data),
        },
        "body": body,
        "signature": to_hex(auth.signature),
        "attestation_key": to_hex(auth.attestation_key),
        "qe_report": qe.as_ref().map(sgx),
        "qe_report_signature": to_hex(auth.qe_report_signature),
        "qe_authentication_data": to_hex(auth.qe_auth_data),
        "certification_data": certification(&auth.certification),
        "padding_bytes": quote.padding.len(),
    })
}

fn certification(data: &CertificationData<'_>) -> Value {
    let mut value = Map::new();
    value.insert("type".to_owned(), json!(data.kind()));
    if let Some(identity) = data.platform_identity() {
        value.insert("ppid".to_owned(), json!(to_hex(identity.ppid)));
        value.insert("cpusvn".to_owned(), json!(to_hex(identity.cpusvn)));
        value.insert("pcesvn".to_owned(), json!(identity.pcesvn));
        value.insert("pceid".to_owned(), json!(identity.pceid.map(|id| to_hex(id))));
    }
    match data {
        CertificationData::PckChain(text) | CertificationData::PckCertificate(text) => {
            value.insert("text".to_owned(), json!(String::from_utf8_lossy(text)));
        }
        CertificationData::PlatformManifest(bytes) => {
            value.insert("manifest".to_owned(), json!(to_hex(bytes)));
        }
        _ => {}
    }
    Value::Object(value)
}

fn sgx(report: &ReportBody<'_>) -> Value {
    json!({
        "cpusvn": to_hex(report.cpusvn),
        "miscselect": report.miscselect,
        "isvextprodid": to_hex(report.isvextprodid),
        "attributes": to_hex(report.attributes),
        "debug": report.is_debug(),
        "mrenclave": to_hex(report.mrenclave),
        "mrsigner": to_hex(report.mrsigner),
        "configid": to_hex(report.configid),
        "isvprodid": report.isvprodid,
        "isvsvn": report.isvsvn,
        "configsvn": report.configsvn,
        "isvfamilyid": to_hex(report.isvfamilyid),
        "report_data": to_hex(report.report_data),
    })
}

fn td(report: &TdReport<'_>) -> Value {
    json!({
        "tee_tcb_svn": to_hex(report.tee_tcb_svn),
        "mrseam": to_hex(report.mrseam),
        "mrsignerseam": to_hex(report.mrsignerseam),
        "seam_attributes": to_hex(report.seam_attributes),
        "td_attributes": format!("{:#x}", report.td_attributes),
        "xfam": format!("{:#x}", report.xfam),
        "mrtd": to_hex(report.mrtd),
        "mrconfigid": to_hex(report.mrconfigid),
        "mrowner": to_hex(report.mrowner),
        "mrownerconfig": to_hex(report.mrownerconfig),
        "rtmr": report.rtmr.map(|register| to_hex(register)),
        "report_data": to_hex(report.report_data),
        "tee_tcb_svn2": report.service.map(|service| to_hex(service.tee_tcb_svn2)),
        "mrservicetd": report.service.map(|service| to_hex(service.mrservicetd)),
        "td_id": report.extension.map(|extension| to_hex(extension.td_id)),
        "vmid": report.extension.map(|extension| extension.vmid),
    })
}

fn snp(report: &SnpReport<'_>) -> Value {
    json!({
        "version": report.version,
        "guest_svn": report.guest_svn,
        "policy": format!("{:#x}", report.policy),
        "family_id": to_hex(report.family_id),
        "image_id": to_hex(report.image_id),
        "vmpl": report.vmpl,
        "signing_key": report.key_kind,
        "platform_info": format!("{:#x}", report.platform_info),
        "report_data": to_hex(report.report_data),
        "measurement": to_hex(report.measurement),
        "host_data": to_hex(report.host_data),
        "id_key_digest": to_hex(report.id_key_digest),
        "author_key_digest": to_hex(report.author_key_digest),
        "report_id": to_hex(report.report_id),
        "report_id_ma": to_hex(report.report_id_ma),
        "reported_tcb": to_hex(report.reported_tcb),
        "current_tcb": to_hex(report.current_tcb),
        "committed_tcb": to_hex(report.committed_tcb),
        "launch_tcb": to_hex(report.launch_tcb),
        "cpuid": report.cpuid,
        "chip_id": to_hex(report.chip_id),
        "signature": to_hex(report.signature),
    })
}

fn print_tree(value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    let print = |name: &str, value: &Value| match value {
        Value::Object(_) | Value::Array(_) => {
            println!("{indent}{name}:");
            print_tree(value, depth + 1);
        }
        Value::Null => {}
        Value::String(text) if text.contains('\n') => {
            println!("{indent}{name}:");
            text.lines().for_each(|line| println!("{indent}  {line}"));
        }
        Value::String(text) => println!("{indent}{name}: {text}"),
        other => println!("{indent}{name}: {other}"),
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| print(name, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| print(&index.to_string(), value));
        }
        other => println!("{indent}{other}"),
    }
}
