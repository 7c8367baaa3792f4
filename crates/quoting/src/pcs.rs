//! A provisioning certification service over emulated platforms: PCS API version 4, as far as
//! verifiers and their caches use it, with PCCS's `rootcacrl` and `pckcert` by QE id.
//!
//! [`Pcs::answer`] is a pure function from request and time to response; [`listener`] puts it on a
//! socket. What happens to a real service can be done to this one: evaluations are withdrawn (410),
//! the service fails ([`Pcs::set_outage`]).

pub mod listener;
mod query;

use std::fmt;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use crate::certificate;
use crate::condition::Condition;
use crate::hex;
use crate::pck::PckExtension;
use crate::platform::PckCa;
use crate::scenario::{Part, Scenario};
use crate::standard::{self, EVALUATIONS, Evaluation};
use crate::tcb_info::Tee;
use crate::time::UnixTime;

use query::Query;

/// A response of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status code.
    pub status: u16,
    /// Header fields beside the length, names as the PCS documentation spells them.
    pub headers: Vec<(&'static str, String)>,
    /// Content.
    pub body: Vec<u8>,
}

/// The service.
///
/// It is made over one scenario a platform. Of platforms of one family the first states TCB info and
/// QE identity; revocation lists cover all.
pub struct Pcs {
    platforms: Vec<Box<ScenarioAt>>,
    outage: AtomicU16,
    oldest_offered: AtomicU32,
}

type ScenarioAt = dyn Fn(UnixTime) -> Scenario + Send + Sync;

impl Pcs {
    /// A service that knows no platform yet. Evaluation 1 is withdrawn.
    pub fn new() -> Self {
        Self {
            platforms: Vec::new(),
            outage: AtomicU16::new(0),
            oldest_offered: AtomicU32::new(standard::STANDARD.number),
        }
    }

    /// Adds a platform: what it and its endorser say at a time.
    #[must_use]
    pub fn with_platform(
        mut self,
        scenario_at: impl Fn(UnixTime) -> Scenario + Send + Sync + 'static,
    ) -> Self {
        self.platforms.push(Box::new(scenario_at));
        self
    }

    /// Answers every request with this status from now on; `None` ends the outage.
    pub fn set_outage(&self, status: Option<u16>) {
        self.outage.store(status.unwrap_or(0), Ordering::Relaxed);
    }

    /// Withdraws the evaluations with smaller numbers.
    pub fn withdraw_below(&self, number: u32) {
        self.oldest_offered.store(number, Ordering::Relaxed);
    }

    /// Answers a request. `target` is the path with its query.
    pub fn answer(&self, method: &str, target: &str, now: UnixTime) -> Response {
        let mut response = match self.outage.load(Ordering::Relaxed) {
            0 => self.route(method, target, now).unwrap_or_else(Refusal::into_response),
            status => Response { status, headers: Vec::new(), body: Vec::new() },
        };
        let id = crypto::sha256(format!("{method} {target} {}", now.0).as_bytes());
        response.headers.push(("Request-ID", hex::lower(&id[..16])));
        response
    }

    fn route(&self, method: &str, target: &str, now: UnixTime) -> Result<Response, Refusal> {
        if method != "GET" {
            return Err(Refusal::METHOD);
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = Query::parse(query).ok_or(Refusal::BAD_REQUEST)?;
        let sgx = path.strip_prefix("/sgx/certification/v4/").map(|rest| (Tee::Sgx, rest));
        let tdx = path.strip_prefix("/tdx/certification/v4/").map(|rest| (Tee::Tdx, rest));
        match sgx.or(tdx).ok_or(Refusal::NOT_FOUND)? {
            (tee, "tcb") => self.tcb(tee, &query, now),
            (tee, "qe/identity") => self.qe_identity(tee, &query, now),
            (tee, "tcbevaluationdatanumbers") => self.evaluation_numbers(tee, now),
            (Tee::Sgx, "pckcert") => self.pckcert(&query, now),
            (Tee::Sgx, "pckcerts") => self.pckcerts(&query, now),
            (Tee::Sgx, "pckcrl") => self.pckcrl(&query, now),
            (Tee::Sgx, "rootcacrl") => self.rootcacrl(now),
            (Tee::Sgx, "fmspcs") => self.fmspcs(now),
            _ => Err(Refusal::NOT_FOUND),
        }
    }

    fn tcb(&self, tee: Tee, query: &Query, now: UnixTime) -> Result<Response, Refusal> {
        let fmspc = query.bytes("fmspc", 6)?;
        let scenario = self.scenarios(tee, now).find(|world| world.tcb_info.fmspc == fmspc);
        let scenario = self.evaluated(scenario.ok_or(Refusal::NOT_FOUND)?, query)?;
        let collateral = scenario.collateral();
        Ok(Response::json("tcbInfo", &collateral.tcb_info, &collateral.tcb_info_signature)
            .chain("TCB-Info-Issuer-Chain", &collateral.tcb_info_issuer_chain))
    }

    fn qe_identity(&self, tee: Tee, query: &Query, now: UnixTime) -> Result<Response, Refusal> {
        let scenario = self.scenarios(tee, now).next().ok_or(Refusal::NOT_FOUND)?;
        let collateral = self.evaluated(scenario, query)?.collateral();
        let document = &collateral.qe_identity;
        Ok(Response::json("enclaveIdentity", document, &collateral.qe_identity_signature)
            .chain("SGX-Enclave-Identity-Issuer-Chain", &collateral.qe_identity_issuer_chain))
    }

    fn evaluation_numbers(&self, tee: Tee, now: UnixTime) -> Result<Response, Refusal> {
        let scenario = self.scenarios(tee, now).next().ok_or(Refusal::NOT_FOUND)?;
        let offered: Vec<Evaluation> =
            EVALUATIONS.into_iter().filter(|e| e.number >= self.oldest_offered()).collect();
        let numbers = standard::evaluation_numbers(tee, &offered, now);
        let (document, signature) = scenario.sign_document(Part::TcbInfo, numbers.to_json());
        let document = String::from_utf8_lossy(&document);
        let chain = scenario.collateral().tcb_info_issuer_chain;
        Ok(Response::json("tcbEvaluationDataNumbers", &document, &signature)
            .chain("TCB-Evaluation-Data-Numbers-Issuer-Chain", &chain))
    }

    /// The PCK certificate of a platform at the given TCB or the nearest below.
    ///
    /// The platform is named by QE id, as in PCCS, or by `encrypted_ppid`, which for emulated
    /// platforms is the PPID itself followed by zeros.
    fn pckcert(&self, query: &Query, now: UnixTime) -> Result<Response, Refusal> {
        let cpusvn = query.bytes("cpusvn", 16)?;
        let pcesvn = query.bytes("pcesvn", 2)?;
        let is_platform = platform(query)?;
        let asked_for = |scenario: &Scenario| {
            is_platform(scenario)
                && scenario.pck_extension.as_ref().is_some_and(|extension| {
                    let pcesvn =
                        pcesvn.iter().rev().fold(0, |svn, byte| svn << 8 | u16::from(*byte));
                    extension.pcesvn <= pcesvn
                        && extension.components.iter().zip(&cpusvn).all(|(own, raw)| own <= raw)
                })
        };
        let scenario = self.all(now).find(asked_for).ok_or(Refusal::NOT_FOUND)?;
        let extension = scenario.pck_extension.as_ref().ok_or(Refusal::NOT_FOUND)?;
        let tcbm = tcbm(extension);
        let body = certificate::to_pem(&scenario.pck_certificate()).into_bytes();
        Ok(Response::ok("application/x-pem-file", body)
            .header("SGX-TCBm", tcbm)
            .header("SGX-FMSPC", hex::upper(&extension.fmspc))
            .header("SGX-PCK-Certificate-CA-Type", scenario.ca().as_str().to_owned())
            .chain("SGX-PCK-Certificate-Issuer-Chain", &scenario.collateral().pck_crl_issuer_chain))
    }

    /// The PCK certificates of a platform: the one at its TCB, and one that is not to be had.
    fn pckcerts(&self, query: &Query, now: UnixTime) -> Result<Response, Refusal> {
        let scenario = self.all(now).find(platform(query)?).ok_or(Refusal::NOT_FOUND)?;
        let extension = scenario.pck_extension.as_ref().ok_or(Refusal::NOT_FOUND)?;
        let entry = |extension: &PckExtension, certificate: &str| {
            let components: Vec<String> =
                extension.components.iter().map(|svn| format!(r#"{{"svn":{svn}}}"#)).collect();
            format!(
                r#"{{"tcb":{{"sgxtcbcomponents":[{}],"pcesvn":{}}},"tcbm":"{}","cert":"{certificate}"}}"#,
                components.join(","),
                extension.pcesvn,
                tcbm(extension),
            )
        };
        let newer = PckExtension { pcesvn: extension.pcesvn + 1, ..extension.clone() };
        let pem = certificate::to_pem(&scenario.pck_certificate());
        let list = [entry(&newer, "Not available"), entry(extension, &query::encode(&pem))];
        Ok(Response::ok("application/json", format!("[{}]", list.join(",")).into_bytes())
            .header("SGX-FMSPC", hex::upper(&extension.fmspc))
            .header("SGX-PCK-Certificate-CA-Type", scenario.ca().as_str().to_owned())
            .chain("SGX-PCK-Certificate-Issuer-Chain", &scenario.collateral().pck_crl_issuer_chain))
    }

    fn pckcrl(&self, query: &Query, now: UnixTime) -> Result<Response, Refusal> {
        let ca = match query.get("ca") {
            Some("processor") => PckCa::Processor,
            Some("platform") => PckCa::Platform,
            _ => return Err(Refusal::BAD_REQUEST),
        };
        let mut members = self.all(now).filter(|scenario| scenario.ca() == ca);
        let mut scenario = members.next().ok_or(Refusal::NOT_FOUND)?;
        scenario.pck_crl.revoked.extend(members.flat_map(|member| member.pck_crl.revoked));
        let der = scenario.pck_crl_der();
        let response = match query.get("encoding") {
            Some("der") => Response::ok("application/pkix-crl", der),
            Some("pem") | None => {
                Response::ok("application/x-pem-file", certificate::crl_to_pem(&der).into_bytes())
            }
            Some(_) => return Err(Refusal::BAD_REQUEST),
        };
        let chain = scenario.collateral().pck_crl_issuer_chain;
        Ok(response.chain("SGX-PCK-CRL-Issuer-Chain", &chain))
    }

    /// The root's revocation list as hexadecimal text, as PCCS serves it.
    fn rootcacrl(&self, now: UnixTime) -> Result<Response, Refusal> {
        let mut members = self.all(now);
        let mut scenario = members.next().ok_or(Refusal::NOT_FOUND)?;
        scenario.root_crl.revoked.extend(members.flat_map(|member| member.root_crl.revoked));
        let text = hex::lower(&scenario.root_crl_der());
        Ok(Response::ok("application/pkix-crl", text.into_bytes()))
    }

    fn fmspcs(&self, now: UnixTime) -> Result<Response, Refusal> {
        let mut families: Vec<String> =
            self.all(now).map(|scenario| hex::upper(&scenario.tcb_info.fmspc)).collect();
        families.sort();
        families.dedup();
        let entry = |fmspc| format!(r#"{{"fmspc":"{fmspc}","platform":"emulated"}}"#);
        let list: Vec<String> = families.into_iter().map(entry).collect();
        Ok(Response::ok("application/json", format!("[{}]", list.join(",")).into_bytes()))
    }

    /// The scenario at the evaluation that the query asks for.
    fn evaluated(&self, mut scenario: Scenario, query: &Query) -> Result<Scenario, Refusal> {
        let number = match (query.get("update"), query.get("tcbEvaluationDataNumber")) {
            (None | Some("standard"), None) => return Ok(scenario),
            (Some("early"), None) => EVALUATIONS.iter().map(|e| e.number).max().unwrap_or(0),
            (None, Some(number)) => number.parse().map_err(|_| Refusal::BAD_REQUEST)?,
            _ => return Err(Refusal::BAD_REQUEST),
        };
        if number < self.oldest_offered() {
            return Err(Refusal::GONE);
        }
        if EVALUATIONS.iter().all(|evaluation| evaluation.number != number) {
            return Err(Refusal::NOT_FOUND);
        }
        scenario.impose(Condition::Evaluation(number));
        Ok(scenario)
    }

    fn oldest_offered(&self) -> u32 {
        self.oldest_offered.load(Ordering::Relaxed)
    }

    fn all(&self, now: UnixTime) -> impl Iterator<Item = Scenario> {
        self.platforms.iter().map(move |scenario_at| scenario_at(now))
    }

    fn scenarios(&self, tee: Tee, now: UnixTime) -> impl Iterator<Item = Scenario> {
        self.all(now).filter(move |scenario| scenario.tee() == tee)
    }
}

/// Whether a scenario is of the platform that a query names: by QE id, as in PCCS, or by
/// `encrypted_ppid`.
fn platform(query: &Query) -> Result<impl Fn(&Scenario) -> bool + use<>, Refusal> {
    let pceid = query.bytes("pceid", 2)?;
    let qe_id = query.get("qeid").map(|_| query.bytes("qeid", 16)).transpose()?;
    let ppid = query.get("encrypted_ppid").map(|_| query.bytes("encrypted_ppid", 384));
    let ppid = ppid.transpose()?;
    if qe_id.is_none() && ppid.is_none() {
        return Err(Refusal::BAD_REQUEST);
    }
    Ok(move |scenario: &Scenario| {
        let by_id = qe_id.as_ref().is_none_or(|id| scenario.header.user_data[..16] == id[..]);
        by_id
            && scenario.pck_extension.as_ref().is_some_and(|extension| {
                ppid.as_ref().is_none_or(|ppid| ppid.starts_with(&extension.ppid))
                    && extension.pceid == pceid
            })
    })
}

/// CPUSVN and PCESVN that a certificate is for, as headers and lists write them.
fn tcbm(extension: &PckExtension) -> String {
    hex::upper(&extension.components) + &hex::upper(&extension.pcesvn.to_le_bytes())
}

impl Default for Pcs {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Pcs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pcs").field("platforms", &self.platforms.len()).finish_non_exhaustive()
    }
}

/// A request that is not answered with content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refusal(u16);

impl Refusal {
    const BAD_REQUEST: Self = Self(400);
    const NOT_FOUND: Self = Self(404);
    const METHOD: Self = Self(405);
    /// The evaluation was withdrawn.
    const GONE: Self = Self(410);

    fn into_response(self) -> Response {
        Response { status: self.0, headers: Vec::new(), body: Vec::new() }
    }
}

impl Response {
    fn ok(content_type: &str, body: Vec<u8>) -> Self {
        let headers = vec![("Content-Type", content_type.to_owned())];
        Self { status: 200, headers, body }
    }

    /// A signed document: its exact text and the signature beside it.
    fn json(name: &str, document: &str, signature: &[u8]) -> Self {
        let signature = hex::lower(signature);
        let body = format!(r#"{{"{name}":{document},"signature":"{signature}"}}"#);
        Self::ok("application/json", body.into_bytes())
    }

    fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds an issuer chain: URL-encoded PEM.
    fn chain(self, name: &'static str, pem: &str) -> Self {
        self.header(name, query::encode(pem))
    }
}
