//! `casemate attest check`: verifies evidence and explains the result.

use std::path::PathBuf;

use anyhow::Result;
use dcap::{
    Blame, Claims, Need, Quote, Refusal, Time, Verifier,
    open_enclave::OpenEnclaveEvidence,
    ratls::{RaTlsBinding, RaTlsCertificate},
    snp::SnpCollateral,
};
use serde_json::json;

use super::{
    evidence::{self, Evidence, File},
    expectations, explain,
};
use crate::{clock, collateral::sources, exit::Exit, files, text};

/// Verify evidence and say what it proves.
///
/// Without a policy it also compares the result with what production evidence should be: a root of
/// the vendor, no debug, a TCB that is not out of date. Use --policy-free to verify only.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A quote, an SNP report, Open Enclave's evidence, or a certificate with evidence (DER or PEM).
    file: PathBuf,
    /// Collateral for quotes: a file, a bundle, Open Enclave's endorsements, or a directory of JSON
    /// files. May be repeated.
    #[arg(long, value_name = "PATH")]
    collateral: Vec<PathBuf>,
    /// Endorsement certificate (VCEK or VLEK) for SNP reports.
    #[arg(long, value_name = "FILE")]
    vek: Option<PathBuf>,
    /// Certificate of AMD's signing key, if it is not a known one. May be repeated.
    #[arg(long, value_name = "FILE")]
    chain: Vec<PathBuf>,
    /// AMD's CRL of the processor family.
    #[arg(long, value_name = "FILE")]
    crl: Option<PathBuf>,
    /// Verify at this time instead of the present: YYYY-MM-DDThh:mm:ssZ or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    at: Option<Time>,
    /// Also accept this emulated root (certificate, DER or PEM). Results under it prove nothing
    /// about hardware.
    #[arg(long, value_name = "FILE")]
    emulator_root: Option<PathBuf>,
    /// Verify only: debug, emulated or outdated evidence exits with 0.
    #[arg(long)]
    policy_free: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What came of it.
struct Verdict {
    claims: Claims,
    binding: Option<RaTlsBinding>,
    /// Names and values of Open Enclave's custom claims, which the report data is the hash of.
    custom: Vec<(String, Vec<u8>)>,
}

impl Verdict {
    fn of(claims: Claims) -> Self {
        Self { claims, binding: None, custom: Vec::new() }
    }
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        let file = File::new(files::read(&self.file)?)?;
        let now = self.at.map_or_else(clock::present, Ok)?;
        let verifier = sources::verifier(self.emulator_root.as_deref())?;
        match self.verify(&file, &verifier, now)? {
            Ok(verdict) => Ok(self.report(&verdict)),
            Err(refusal) => Ok(self.report_refusal(&refusal, now)),
        }
    }

    /// The outer result is about files that cannot be read, the inner one about evidence.
    fn verify(
        &self,
        file: &File,
        verifier: &Verifier,
        now: Time,
    ) -> Result<Result<Verdict, Refusal>> {
        let evidence = match file.evidence() {
            Ok(evidence) => evidence,
            Err(refusal) => return Ok(Err(refusal)),
        };
        match evidence {
            Evidence::Certificate(certificate) => {
                self.verify_certificate(&certificate, verifier, now)
            }
            Evidence::Envelope(envelope) => {
                let bare = Evidence::Report(envelope.report);
                let claims = self.verify_bare(&bare, &[], verifier, now)?;
                Ok(claims.and_then(|claims| {
                    envelope.check_binding(dcap::crypto::DEFAULT, &claims.report_data)?;
                    Ok(Verdict::of(claims))
                }))
            }
            Evidence::Quote(quote) => {
                let claims = self.verify_bare(&evidence, &[], verifier, now)?;
                Ok(claims.and_then(|claims| with_custom_claims(claims, quote)))
            }
            Evidence::Report(_) => {
                let claims = self.verify_bare(&evidence, &[], verifier, now)?;
                Ok(claims.map(Verdict::of))
            }
        }
    }

    /// The last piece of evidence in a certificate is taken: producers put the interoperable form
    /// behind older ones.
    fn verify_certificate(
        &self,
        certificate: &RaTlsCertificate<'_>,
        verifier: &Verifier,
        now: Time,
    ) -> Result<Result<Verdict, Refusal>> {
        let Some(piece) = certificate.evidence().last() else {
            return Ok(Err(Refusal::new(dcap::Reason::RatlsMalformed, "no evidence")));
        };
        let bare = evidence::inner(piece.kind, piece.evidence);
        let claims = match self.verify_bare(&bare, piece.endorsements, verifier, now)? {
            Ok(claims) => claims,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let binding = certificate.check_binding(dcap::crypto::DEFAULT, piece, &claims.report_data);
        Ok(binding.map(|binding| Verdict { binding: Some(binding), ..Verdict::of(claims) }))
    }

    fn verify_bare(
        &self,
        evidence: &Evidence<'_>,
        endorsements: &[u8],
        verifier: &Verifier,
        now: Time,
    ) -> Result<Result<Claims, Refusal>> {
        match evidence {
            Evidence::Quote(quote) => {
                let bundle = sources::load(&self.collateral)?;
                Ok(verify_quote(verifier, &bundle, quote, now))
            }
            Evidence::Report(report) => {
                let collateral = match self.snp_collateral(endorsements)? {
                    Ok(collateral) => collateral,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                Ok(verifier.verify_snp(report, &collateral, now))
            }
            Evidence::Certificate(_) | Evidence::Envelope(_) => {
                Ok(Err(Refusal::new(dcap::Reason::Bug, "an envelope is not bare evidence")))
            }
        }
    }

    fn snp_collateral(&self, endorsements: &[u8]) -> Result<Result<SnpCollateral, Refusal>> {
        let mut chain = Vec::new();
        for path in &self.chain {
            chain.push(files::read(path)?);
        }
        let crl = self.crl.as_deref().map(files::read).transpose()?;
        if let Some(path) = &self.vek {
            return Ok(Ok(SnpCollateral { vek: files::read(path)?, chain, crl }));
        }
        let found = dcap::snp::find_vek(endorsements);
        Ok(found.map(|vek| SnpCollateral { vek, chain, crl }))
    }

    fn report(&self, verdict: &Verdict) -> Exit {
        let failed = expectations::failed(&verdict.claims);
        let refused = !self.policy_free && !failed.is_empty();
        if self.json {
            let custom: serde_json::Map<_, _> = verdict
                .custom
                .iter()
                .map(|(name, value)| (name.clone(), json!(text::to_hex(value))))
                .collect();
            let value = json!({
                "verified": true,
                "key_binding": verdict.binding,
                "custom_claims": custom,
                "claims": verdict.claims,
                "unmet_expectations": failed,
            });
            println!("{value:#}");
        } else {
            print!("{}", explain::verified(&verdict.claims, verdict.binding, &verdict.custom));
            print!("{}", explain::expectations(&failed, self.policy_free));
        }
        if refused { Exit::Refused } else { Exit::Success }
    }

    fn report_refusal(&self, refusal: &Refusal, now: Time) -> Exit {
        if self.json {
            let value = json!({
                "verified": false,
                "at": now,
                "reason": refusal.reason(),
                "blame": refusal.blame(),
                "detail": refusal.detail(),
                "cause": refusal.reason().cause(),
                "action": refusal.reason().action(),
            });
            println!("{value:#}");
        } else {
            print!("{}", explain::refused(refusal, now));
        }
        Exit::Evidence(refusal.blame())
    }
}

/// Adds the custom claims behind Open Enclave's evidence. What looks like claims and is not what the
/// quote commits to is refused: whoever reads them must not have to check again.
fn with_custom_claims(claims: Claims, quote: &[u8]) -> Result<Verdict, Refusal> {
    let mut verdict = Verdict::of(claims);
    if let Ok(evidence) = OpenEnclaveEvidence::parse(quote) {
        evidence.check_binding(dcap::crypto::DEFAULT, &verdict.claims.report_data)?;
        let owned = |(name, value): &(&str, &[u8])| ((*name).to_owned(), value.to_vec());
        verdict.custom = evidence.claims().iter().map(owned).collect();
    }
    Ok(verdict)
}

fn verify_quote(
    verifier: &Verifier,
    bundle: &dcap::CollateralBundle,
    quote: &[u8],
    now: Time,
) -> Result<Claims, Refusal> {
    // Quotes that name their platform by PPID cannot say what they need: with a single collateral
    // there is nothing to choose.
    let collateral = match (Need::of_quote(quote), bundle.entries()) {
        (Err(refusal), _) if refusal.blame() != Blame::Unavailable => return Err(refusal),
        (Err(_), [only]) => only,
        (Err(refusal), _) => return Err(refusal),
        (Ok(need), _) => bundle.find(&need)?,
    };
    // Parse first: a malformed quote is not the collateral's fault.
    Quote::parse(quote)?;
    let verified = verifier.verify_collateral(collateral, now)?;
    verifier.verify_quote(quote, &verified, now)
}
