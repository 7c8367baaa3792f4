//! Collateral after its signatures were checked.

use alloc::{boxed::Box, string::String, vec::Vec};

use super::{EnclaveIdentity, TcbInfo};
use crate::{Anchor, Bytes, Reason, Refusal, Tee, Time, claims::CollateralClaims, x509::Crl};

/// Collateral whose chains, signatures, CRLs and dates were checked, ready for many quotes.
///
/// It stays bound to the anchor it was verified under. It does not expire by itself: every use
/// names a time, and is refused outside the validity of any part.
#[derive(Debug, Clone)]
pub struct VerifiedCollateral {
    pub(crate) sha256: Bytes<32>,
    pub(crate) anchor: Anchor,
    pub(crate) root_key_sha384: Bytes<48>,
    pub(crate) root_spki_sha256: Bytes<32>,
    pub(crate) root_revoked: RevokedSerials,
    /// DER of the CA that issued the PCK CRL, verified up to the anchor.
    pub(crate) pck_ca: Vec<u8>,
    pub(crate) pck_revoked: RevokedSerials,
    pub(crate) tcb_info: TcbInfo,
    pub(crate) qe_identity: EnclaveIdentity,
    pub(crate) pck_chain: Option<Vec<Vec<u8>>>,
    pub(crate) validity: Vec<Validity>,
    pub(crate) size: usize,
}

/// When one part is valid, and how a refusal names it.
#[derive(Debug, Clone)]
pub(crate) struct Validity {
    pub(crate) what: String,
    pub(crate) not_before: Time,
    pub(crate) not_after: Time,
    pub(crate) early: Reason,
    pub(crate) late: Reason,
}

impl Validity {
    pub(crate) fn check(&self, now: Time) -> Result<(), Refusal> {
        if now < self.not_before {
            let detail =
                alloc::format!("{} is valid from {}, now is {now}", self.what, self.not_before);
            return Err(Refusal::new(self.early, detail));
        }
        if now > self.not_after {
            let detail =
                alloc::format!("{} expired at {}, now is {now}", self.what, self.not_after);
            return Err(Refusal::new(self.late, detail));
        }
        Ok(())
    }
}

/// The serial numbers of a CRL, sorted, and its number.
#[derive(Debug, Clone)]
pub(crate) struct RevokedSerials {
    pub(crate) number: u64,
    pub(crate) this_update: Time,
    serials: Vec<Box<[u8]>>,
}

impl RevokedSerials {
    pub(crate) fn of(crl: &Crl<'_>) -> Self {
        let mut serials: Vec<Box<[u8]>> = crl.serials().map(Box::from).collect();
        serials.sort_unstable();
        Self { number: crl.number, this_update: crl.this_update, serials }
    }

    pub(crate) fn contains(&self, serial: &[u8]) -> bool {
        self.serials.binary_search_by(|probe| probe.as_ref().cmp(serial)).is_ok()
    }

    fn heap_bytes(&self) -> usize {
        let inline = size_of::<Box<[u8]>>();
        self.serials.iter().map(|serial| serial.len().saturating_add(inline)).sum()
    }
}

impl VerifiedCollateral {
    /// SHA-256 over all parts, the name of this collateral in caches and claims.
    #[must_use]
    pub fn sha256(&self) -> Bytes<32> {
        self.sha256
    }

    /// The anchor it was verified under.
    #[must_use]
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// TCB info.
    #[must_use]
    pub fn tcb_info(&self) -> &TcbInfo {
        &self.tcb_info
    }

    /// QE identity.
    #[must_use]
    pub fn qe_identity(&self) -> &EnclaveIdentity {
        &self.qe_identity
    }

    /// The TEE whose quotes it is for.
    #[must_use]
    pub fn tee(&self) -> Tee {
        self.tcb_info.tee
    }

    /// Numbers of the root CRL and of the PCK CRL.
    #[must_use]
    pub fn crl_numbers(&self) -> (u64, u64) {
        (self.root_revoked.number, self.pck_revoked.number)
    }

    /// Checks that every part is valid at `now`, both ends included.
    ///
    /// # Errors
    ///
    /// The reason of blame `Stale` of the first part that is not.
    pub fn check_validity(&self, now: Time) -> Result<(), Refusal> {
        self.validity.iter().try_for_each(|validity| validity.check(now))
    }

    /// The time after which some part is no longer valid.
    #[must_use]
    pub fn earliest_expiration(&self) -> Time {
        self.validity.iter().map(|validity| validity.not_after).min().unwrap_or(Time::MAX)
    }

    /// Names every part that expires within `seconds` after `now`, with the time.
    #[must_use]
    pub fn expiring_within(&self, now: Time, seconds: u64) -> Vec<(&str, Time)> {
        let horizon = Time::from_unix(now.as_unix().saturating_add(seconds));
        let mut soon: Vec<(&str, Time)> = self
            .validity
            .iter()
            .filter(|validity| validity.not_after <= horizon)
            .map(|validity| (validity.what.as_str(), validity.not_after))
            .collect();
        soon.sort_by_key(|(_, at)| *at);
        soon
    }

    /// Approximate memory it holds, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let levels = self.tcb_info.levels.len().saturating_mul(size_of::<super::TcbLevel>());
        let advisories: usize = self
            .tcb_info
            .levels
            .iter()
            .flat_map(|level| &level.advisories)
            .map(|advisory| advisory.len().saturating_add(size_of::<String>()))
            .sum();
        [
            size_of::<Self>(),
            levels,
            advisories,
            self.root_revoked.heap_bytes(),
            self.pck_revoked.heap_bytes(),
            self.pck_ca.len(),
            self.anchor.certificate().len(),
            self.validity.len().saturating_mul(size_of::<Validity>()),
        ]
        .iter()
        .sum()
    }

    pub(crate) fn claims(&self) -> CollateralClaims {
        let issued = || self.validity.iter().map(|validity| validity.not_before);
        CollateralClaims {
            sha256: self.sha256,
            earliest_issue: issued().min().unwrap_or(Time::from_unix(0)),
            latest_issue: issued().max().unwrap_or(Time::MAX),
            earliest_expiration: self.earliest_expiration(),
            root_crl_number: Some(self.root_revoked.number),
            pck_crl_number: Some(self.pck_revoked.number),
            revocation_checked: true,
        }
    }

    /// Bytes of the collateral it was made from.
    #[must_use]
    pub fn source_bytes(&self) -> usize {
        self.size
    }
}
