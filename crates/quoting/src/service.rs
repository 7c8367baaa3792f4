//! The quoting service of one emulated platform: REPORT in, quote out, and collateral for it.

use std::fmt;

use crypto::sha256;
use sgx_types::{Report, ReportBody, TargetInfo};

use crate::collateral::Collateral;
use crate::condition::Condition;
use crate::error::Error;
use crate::hex;
use crate::key::Seed;
use crate::platform::PlatformFacts;
use crate::quote::QuoteBody;
use crate::quoting_enclave;
use crate::scenario::Scenario;
use crate::time::UnixTime;

/// The platform the service runs on, as far as it can only be asked there.
pub trait LocalAttestation {
    /// Returns whether `report` was made on this platform for the enclave `target` names: whether
    /// its MAC verifies under that enclave's report key. Must compare in constant time.
    fn verify_report(&self, target: &TargetInfo, report: &Report) -> bool;
}

impl<F: Fn(&TargetInfo, &Report) -> bool> LocalAttestation for F {
    fn verify_report(&self, target: &TargetInfo, report: &Report) -> bool {
        self(target, report)
    }
}

/// Signs quotes for one platform under one emulated root.
#[derive(Clone)]
pub struct QuotingService<P> {
    platform: P,
    facts: PlatformFacts,
    seed: Seed,
    conditions: Vec<Condition>,
}

impl<P: LocalAttestation> QuotingService<P> {
    /// A service for the platform that `facts` describe. Equal seeds make services with one root.
    pub const fn new(seed: Seed, facts: PlatformFacts, platform: P) -> Self {
        Self { platform, facts, seed, conditions: Vec::new() }
    }

    /// Puts the platform or its endorsements into these conditions from now on.
    #[must_use]
    pub fn with_conditions(mut self, conditions: Vec<Condition>) -> Self {
        self.conditions = conditions;
        self
    }

    /// For whom an enclave must make the REPORT it wants quoted.
    pub fn target_info(&self) -> TargetInfo {
        TargetInfo::of(&self.quoting_enclave())
    }

    /// Makes an ECDSA quote (version 3, certification data: the PCK chain) of `report`.
    ///
    /// # Errors
    ///
    /// [`Error::UntrustedReport`] if the REPORT was not made on this platform for this quoting
    /// enclave.
    pub fn quote(&self, report: &Report) -> Result<Vec<u8>, Error> {
        if !self.platform.verify_report(&self.target_info(), report) {
            return Err(Error::UntrustedReport {
                mrenclave: report.body.mrenclave,
                quoting_enclave: self.quoting_enclave().mrenclave,
            });
        }
        let mut scenario = self.scenario(UnixTime(0));
        scenario.body = QuoteBody::sgx(&report.body);
        Ok(scenario.quote())
    }

    /// Makes a quote of a REPORT as bytes, as an enclave hands it over.
    ///
    /// # Errors
    ///
    /// [`Error::MalformedReport`] if the bytes are no REPORT, else as [`Self::quote`].
    pub fn quote_bytes(&self, report: &[u8]) -> Result<Vec<u8>, Error> {
        self.quote(&Report::from_slice(report).map_err(Error::MalformedReport)?)
    }

    /// Collateral for this platform's quotes, issued on the day `now` lies in.
    pub fn collateral(&self, now: UnixTime) -> Collateral {
        self.scenario(now).collateral()
    }

    /// DER of the root certificate.
    pub fn root_certificate(&self) -> Vec<u8> {
        self.scenario(UnixTime(0)).root_certificate()
    }

    /// Fingerprint of the root: see [`root_fingerprint`].
    pub fn root_fingerprint(&self) -> String {
        root_fingerprint(&self.scenario(UnixTime(0)))
    }

    /// What the PCK certificate states about the platform.
    pub const fn platform(&self) -> &PlatformFacts {
        &self.facts
    }

    /// The quoting enclave as it reports about itself, REPORTDATA zero.
    pub fn quoting_enclave(&self) -> ReportBody {
        quoting_enclave::sgx_qe(self.facts.cpusvn)
    }

    /// Everything the service would say at a time, open to changes.
    pub fn scenario(&self, now: UnixTime) -> Scenario {
        let mut scenario = Scenario::new(&self.seed, &self.facts, now);
        for condition in &self.conditions {
            scenario.impose(*condition);
        }
        scenario
    }
}

impl<P> fmt::Debug for QuotingService<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuotingService")
            .field("facts", &self.facts)
            .field("conditions", &self.conditions)
            .finish_non_exhaustive()
    }
}

/// Fingerprint of an emulated root: lower-case hexadecimal SHA-256 of its SubjectPublicKeyInfo.
///
/// Policies name emulated roots by it. It is of the key, so that it survives a new certificate.
pub fn root_fingerprint(scenario: &Scenario) -> String {
    hex::lower(&sha256(&scenario.root.public_key.spki()))
}
