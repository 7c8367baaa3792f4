//! A complete emulated world in one value: PKI, platform, quote and collateral.
//!
//! [`Scenario::new`] fills in everything so that a verifier with the scenario's root finds nothing
//! wrong. Every field can then be changed; parts can be edited as bytes before or after they are
//! signed, and signed by another key. [`Scenario::evidence`] makes the bytes. The quoting service
//! itself runs on an unchanged scenario, so what tests vary is what the emulator does.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sgx_types::{AttributeFlags, Attributes, Mrenclave, Mrsigner, ReportBody, Xfrm};

use crate::certificate::{self, CertificateTemplate, Name, Role};
use crate::collateral::Collateral;
use crate::crl::CrlTemplate;
use crate::enclave_identity::EnclaveIdentity;
use crate::key::{PublicKey, Seed, SigningKey};
use crate::pck::PckExtension;
use crate::platform::{PckCa, PlatformFacts};
use crate::quote::{
    self, CertificationData, ECDSA_P256, PCK_CHAIN, QuoteBody, QuoteHeader, SignatureData,
    TEE_TYPE_TDX,
};
use crate::quoting_enclave;
use crate::standard;
use crate::tcb_info::{TcbInfo, Tee};
use crate::time::UnixTime;

/// Something a scenario signs or assembles, and that can be edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Root certificate.
    Root,
    /// Certificate of the CA that issues the PCK certificate.
    PckCa,
    /// PCK certificate.
    Pck,
    /// Certificate of the TCB signer.
    TcbSigner,
    /// The root's revocation list.
    RootCrl,
    /// The PCK CA's revocation list.
    PckCrl,
    /// TCB info; its bytes before signing are the JSON, after it r || s.
    TcbInfo,
    /// QE identity; its bytes before signing are the JSON, after it r || s.
    QeIdentity,
    /// REPORT body of the QE; its bytes after signing are r || s.
    QeReport,
    /// Header and body of the quote; its bytes after signing are r || s.
    SignedQuote,
    /// Certification data as embedded in the quote (not signed: only the stage before exists).
    Certification,
    /// The whole quote (not signed: only the stage after exists).
    Quote,
}

/// When an edit happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// On the bytes that are about to be signed: the signature will be right.
    BeforeSigning,
    /// On what comes out: the signature will be wrong, or is itself edited.
    AfterSigning,
}

/// Private keys of a scenario.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Of the root.
    pub root: SigningKey,
    /// Of the PCK CA.
    pub pck_ca: SigningKey,
    /// Of the TCB signer.
    pub tcb_signer: SigningKey,
    /// Provisioning certification key of the platform.
    pub pck: SigningKey,
    /// Attestation key of the QE.
    pub attestation: SigningKey,
}

/// What a verifier gets, and when.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The quote.
    pub quote: Vec<u8>,
    /// Collateral for it.
    pub collateral: Collateral,
    /// DER of the certificate to trust.
    pub root_certificate: Vec<u8>,
    /// The time to verify at.
    pub now: UnixTime,
}

/// See the module's description.
#[derive(Clone)]
pub struct Scenario {
    /// The time of verification; documents were issued on its day.
    pub now: UnixTime,
    /// Private keys.
    pub keys: Keys,
    /// Root certificate.
    pub root: CertificateTemplate,
    /// Certificate of the CA that issues the PCK certificate.
    pub pck_ca: CertificateTemplate,
    /// Certificate of the TCB signer.
    pub tcb_signer: CertificateTemplate,
    /// PCK certificate without its SGX extension.
    pub pck: CertificateTemplate,
    /// SGX extension of the PCK certificate, left out if `None`.
    pub pck_extension: Option<PckExtension>,
    /// The root's revocation list.
    pub root_crl: CrlTemplate,
    /// The PCK CA's revocation list.
    pub pck_crl: CrlTemplate,
    /// TCB info.
    pub tcb_info: TcbInfo,
    /// QE identity.
    pub qe_identity: EnclaveIdentity,
    /// Header of the quote.
    pub header: QuoteHeader,
    /// Body of the quote.
    pub body: QuoteBody,
    /// The quoting enclave's report; its REPORTDATA does not count.
    pub qe: ReportBody,
    /// REPORTDATA of the QE; if `None` it is the right one for key and authentication data.
    pub qe_report_data: Option<[u8; 64]>,
    /// Authentication data.
    pub auth_data: Vec<u8>,
    /// Certification data; if `None` it is the PCK chain.
    pub certification: Option<CertificationData>,
    signers: BTreeMap<Part, SigningKey>,
    edits: Vec<Edit>,
}

type EditFn = dyn Fn(&mut Vec<u8>) + Send + Sync;

#[derive(Clone)]
struct Edit {
    part: Part,
    stage: Stage,
    apply: Arc<EditFn>,
}

impl Scenario {
    /// The world of `seed` with this platform, at a time; the quote is about a sample enclave.
    pub fn new(seed: &Seed, platform: &PlatformFacts, now: UnixTime) -> Self {
        let qe = quoting_enclave::sgx_qe(platform.cpusvn);
        let keys = Keys::derive(seed, platform);
        let certificates = Certificates::new(&keys, platform);
        let mut user_data = [0; 20];
        user_data[..16].copy_from_slice(&platform.qe_id);
        Self {
            now,
            root_crl: root_crl(&certificates.root, now),
            pck_crl: pck_crl(&certificates.pck_ca, now),
            root: certificates.root,
            pck_ca: certificates.pck_ca,
            tcb_signer: certificates.tcb_signer,
            pck: certificates.pck,
            pck_extension: Some(PckExtension::for_platform(platform)),
            tcb_info: standard::tcb_info(platform.fmspc, platform.pceid, standard::STANDARD, now),
            qe_identity: standard::qe_identity(&qe, Tee::Sgx, standard::STANDARD, now),
            header: QuoteHeader {
                version: 3,
                attestation_key_type: ECDSA_P256,
                tee_type: 0,
                qe_svn: qe.isvsvn,
                pce_svn: platform.pcesvn,
                vendor_id: quote::VENDOR_ID,
                user_data,
            },
            body: sample_body(platform),
            qe,
            qe_report_data: None,
            auth_data: keys.attestation.public_key().key_id().into_iter().chain([0; 12]).collect(),
            certification: None,
            keys,
            signers: BTreeMap::new(),
            edits: Vec::new(),
        }
    }

    /// Signs `part` with another key than the one that should.
    pub fn sign_with(&mut self, part: Part, key: SigningKey) -> &mut Self {
        self.signers.insert(part, key);
        self
    }

    /// Edits the bytes of `part`. Several edits happen in the order they were added.
    pub fn edit(
        &mut self,
        part: Part,
        stage: Stage,
        edit: impl Fn(&mut Vec<u8>) + Send + Sync + 'static,
    ) -> &mut Self {
        self.edits.push(Edit { part, stage, apply: Arc::new(edit) });
        self
    }

    /// Quote, collateral and root.
    pub fn evidence(&self) -> Evidence {
        Evidence {
            quote: self.quote(),
            collateral: self.collateral(),
            root_certificate: self.root_certificate(),
            now: self.now,
        }
    }

    /// The quote alone.
    pub fn quote(&self) -> Vec<u8> {
        let reportdata = self.qe_report_data.unwrap_or_else(|| {
            quote::qe_report_data(&self.keys.attestation.public_key(), &self.auth_data)
        });
        let qe = ReportBody { reportdata, ..self.qe };
        let (qe_report, qe_report_signature) =
            self.signed(Part::QeReport, qe.to_bytes().to_vec(), &self.keys.pck);
        let (signed_part, signature) = self.signed(
            Part::SignedQuote,
            quote::signed_part(&self.header, &self.body),
            &self.keys.attestation,
        );
        let signature_data = SignatureData {
            signature,
            attestation_key: *self.keys.attestation.public_key().xy(),
            qe_report,
            qe_report_signature,
            auth_data: self.auth_data.clone(),
            certification: self.certification_data(),
        };
        let mut quote =
            quote::assemble(&signed_part, &signature_data.to_bytes(self.header.version));
        self.apply_edits(Part::Quote, Stage::AfterSigning, &mut quote);
        quote
    }

    /// The collateral alone.
    pub fn collateral(&self) -> Collateral {
        let root = certificate::to_pem(&self.root_certificate());
        let tcb_chain = certificate::to_pem(&self.tcb_signer_certificate()) + &root;
        let (tcb_info, tcb_info_signature) =
            self.signed(Part::TcbInfo, self.tcb_info.to_json(), &self.keys.tcb_signer);
        let (qe_identity, qe_identity_signature) =
            self.signed(Part::QeIdentity, self.qe_identity.to_json(), &self.keys.tcb_signer);
        Collateral {
            pck_crl_issuer_chain: certificate::to_pem(&self.pck_ca_certificate()) + &root,
            root_ca_crl: self.root_crl_der(),
            pck_crl: self.pck_crl_der(),
            tcb_info_issuer_chain: tcb_chain.clone(),
            tcb_info: String::from_utf8_lossy(&tcb_info).into_owned(),
            tcb_info_signature,
            qe_identity_issuer_chain: tcb_chain,
            qe_identity: String::from_utf8_lossy(&qe_identity).into_owned(),
            qe_identity_signature,
        }
    }

    /// Which CA issued the PCK certificate.
    pub fn ca(&self) -> PckCa {
        if self.pck.issuer.common_name == PckCa::Processor.common_name() {
            PckCa::Processor
        } else {
            PckCa::Platform
        }
    }

    /// What the quote is about.
    pub const fn tee(&self) -> Tee {
        if self.header.tee_type == TEE_TYPE_TDX { Tee::Tdx } else { Tee::Sgx }
    }

    /// DER of the root certificate.
    pub fn root_certificate(&self) -> Vec<u8> {
        self.x509(Part::Root, self.root.to_be_signed(), &self.keys.root)
    }

    /// DER of the PCK CA's certificate.
    pub fn pck_ca_certificate(&self) -> Vec<u8> {
        self.x509(Part::PckCa, self.pck_ca.to_be_signed(), &self.keys.root)
    }

    /// DER of the TCB signer's certificate.
    pub fn tcb_signer_certificate(&self) -> Vec<u8> {
        self.x509(Part::TcbSigner, self.tcb_signer.to_be_signed(), &self.keys.root)
    }

    /// DER of the PCK certificate.
    pub fn pck_certificate(&self) -> Vec<u8> {
        let mut template = self.pck.clone();
        template.extensions.extend(self.pck_extension.as_ref().map(PckExtension::to_extension));
        self.x509(Part::Pck, template.to_be_signed(), &self.keys.pck_ca)
    }

    /// DER of the root's revocation list.
    pub fn root_crl_der(&self) -> Vec<u8> {
        self.x509(Part::RootCrl, self.root_crl.to_be_signed(), &self.keys.root)
    }

    /// DER of the PCK CA's revocation list.
    pub fn pck_crl_der(&self) -> Vec<u8> {
        self.x509(Part::PckCrl, self.pck_crl.to_be_signed(), &self.keys.pck_ca)
    }

    /// PEM of the PCK certificate, its CA's and the root's.
    pub fn pck_chain(&self) -> String {
        [self.pck_certificate(), self.pck_ca_certificate(), self.root_certificate()]
            .iter()
            .map(|der| certificate::to_pem(der))
            .collect()
    }

    /// Signs another document as the TCB signer, with the edits and the key that `part` has.
    pub(crate) fn sign_document(&self, part: Part, document: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
        self.signed(part, document, &self.keys.tcb_signer)
    }

    fn certification_data(&self) -> CertificationData {
        let mut data = self.certification.clone().unwrap_or_else(|| CertificationData {
            data_type: PCK_CHAIN,
            bytes: self.pck_chain().into_bytes(),
        });
        self.apply_edits(Part::Certification, Stage::BeforeSigning, &mut data.bytes);
        data
    }

    fn x509(&self, part: Part, mut to_be_signed: Vec<u8>, key: &SigningKey) -> Vec<u8> {
        self.apply_edits(part, Stage::BeforeSigning, &mut to_be_signed);
        let signature = self.signer(part, key).sign_der(&to_be_signed);
        let mut der = certificate::assemble(&to_be_signed, &signature);
        self.apply_edits(part, Stage::AfterSigning, &mut der);
        der
    }

    fn signed(&self, part: Part, mut bytes: Vec<u8>, key: &SigningKey) -> (Vec<u8>, Vec<u8>) {
        self.apply_edits(part, Stage::BeforeSigning, &mut bytes);
        let mut signature = self.signer(part, key).sign_raw(&bytes).to_vec();
        self.apply_edits(part, Stage::AfterSigning, &mut signature);
        (bytes, signature)
    }

    fn signer<'a>(&'a self, part: Part, default: &'a SigningKey) -> &'a SigningKey {
        self.signers.get(&part).unwrap_or(default)
    }

    fn apply_edits(&self, part: Part, stage: Stage, bytes: &mut Vec<u8>) {
        for edit in self.edits.iter().filter(|edit| edit.part == part && edit.stage == stage) {
            (edit.apply)(bytes);
        }
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("now", &self.now)
            .field("root", &self.root.subject.common_name)
            .field("signers", &self.signers.keys())
            .field("edits", &self.edits.len())
            .finish_non_exhaustive()
    }
}

impl Keys {
    fn derive(seed: &Seed, platform: &PlatformFacts) -> Self {
        // The PCK changes with the TCB, as the real one does: it is derived from it.
        let tcb = [&platform.ppid[..], &platform.cpusvn, &platform.pcesvn.to_be_bytes()].concat();
        let attestation = [&platform.qe_id[..], &platform.cpusvn].concat();
        Self {
            root: SigningKey::derive(seed, "root", &[]),
            pck_ca: SigningKey::derive(seed, "pck ca", platform.ca.as_str().as_bytes()),
            tcb_signer: SigningKey::derive(seed, "tcb signer", &[]),
            pck: SigningKey::derive(seed, "pck", &tcb),
            attestation: SigningKey::derive(seed, "attestation", &attestation),
        }
    }
}

struct Certificates {
    root: CertificateTemplate,
    pck_ca: CertificateTemplate,
    tcb_signer: CertificateTemplate,
    pck: CertificateTemplate,
}

const ROOT_CRL_URL: &str = "https://emulator.invalid/sgx/certification/v4/rootcacrl";

impl Certificates {
    fn new(keys: &Keys, platform: &PlatformFacts) -> Self {
        let root_name = Name::emulated("Casemate Emulated SGX Root CA");
        let ca_name = Name::emulated(platform.ca.common_name());
        let signer_name = Name::emulated("Casemate Emulated SGX TCB Signing");
        let pck_name = Name::emulated("Casemate Emulated SGX PCK Certificate");
        let root_key = keys.root.public_key();
        let ca_key = keys.pck_ca.public_key();
        let root_url = ROOT_CRL_URL.to_owned();
        let pck_url = format!(
            "https://emulator.invalid/sgx/certification/v4/pckcrl?ca={}&encoding=der",
            platform.ca.as_str()
        );
        let ca_below = |path_length| Role::Authority { path_length: Some(path_length) };
        let by_root = (&root_name, &root_key, root_url);
        Self {
            root: issue(by_root.clone(), &root_name, &root_key, ca_below(1)),
            pck_ca: issue(by_root.clone(), &ca_name, &ca_key, ca_below(0)),
            tcb_signer: issue(
                by_root,
                &signer_name,
                &keys.tcb_signer.public_key(),
                Role::EndEntity,
            ),
            pck: issue(
                (&ca_name, &ca_key, pck_url),
                &pck_name,
                &keys.pck.public_key(),
                Role::EndEntity,
            ),
        }
    }
}

fn issue(
    (issuer, issuer_key, crl_url): (&Name, &PublicKey, String),
    subject: &Name,
    key: &PublicKey,
    role: Role,
) -> CertificateTemplate {
    let mut serial = key.key_id();
    // Twenty bytes, positive, and never shorter for a leading zero.
    serial[0] = serial[0] & 0x3f | 0x40;
    CertificateTemplate {
        serial: serial.to_vec(),
        issuer: issuer.clone(),
        subject: subject.clone(),
        not_before: standard::NOT_BEFORE,
        not_after: standard::NOT_AFTER,
        public_key: *key,
        role,
        subject_key_id: Some(key.key_id()),
        authority_key_id: Some(issuer_key.key_id()),
        crl_url: Some(crl_url),
        extensions: Vec::new(),
    }
}

fn root_crl(root: &CertificateTemplate, now: UnixTime) -> CrlTemplate {
    CrlTemplate {
        next_update: Some(now.start_of_day() + standard::ROOT_CRL_LIFETIME),
        ..pck_crl(root, now)
    }
}

fn pck_crl(issuer: &CertificateTemplate, now: UnixTime) -> CrlTemplate {
    CrlTemplate {
        issuer: issuer.subject.clone(),
        this_update: now.start_of_day(),
        next_update: Some(now.start_of_day() + standard::DOCUMENT_LIFETIME),
        // One list a day: the number rises as it must.
        number: Some(now.0 / 86_400),
        authority_key_id: issuer.subject_key_id,
        revoked: Vec::new(),
    }
}

/// The body of a quote about an enclave that does not exist.
fn sample_body(platform: &PlatformFacts) -> QuoteBody {
    QuoteBody::sgx(&ReportBody {
        cpusvn: platform.cpusvn,
        attributes: Attributes {
            flags: AttributeFlags::INIT.union(AttributeFlags::MODE64BIT),
            xfrm: Xfrm::LEGACY,
        },
        mrenclave: Mrenclave([0x5a; 32]),
        mrsigner: Mrsigner([0xa5; 32]),
        isvprodid: 1,
        isvsvn: 1,
        reportdata: [0x11; 64],
        ..ReportBody::ZERO
    })
}
