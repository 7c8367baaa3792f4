//! The table of reason codes: one row per way to be refused.
//!
//! Codes are stable: a row may be added, never renamed or given another meaning.
//! `docs/reference/attestation-reasons.md` is generated from this table.

use core::fmt;

use crate::Blame;

macro_rules! reasons {
    ($($variant:ident, $code:literal, $blame:ident, $cause:literal, $action:literal;)*) => {
        /// Why evidence or collateral was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Reason {
            $(#[doc = $cause] $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable code, such as `pck.revoked`.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// Who has to act.
            #[must_use]
            pub fn blame(self) -> Blame {
                match self { $(Self::$variant => Blame::$blame,)* }
            }

            /// What causes the refusal.
            #[must_use]
            pub fn cause(self) -> &'static str {
                match self { $(Self::$variant => $cause,)* }
            }

            /// What to do about it.
            #[must_use]
            pub fn action(self) -> &'static str {
                match self { $(Self::$variant => $action,)* }
            }
        }
    };
}

reasons! {
    EvidenceUnknown, "evidence.unknown", Malformed,
        "The bytes are none of the evidence formats that are understood.",
        "Check that the file is a quote, an SNP report or a certificate with evidence, complete and not encoded as text.";
    QuoteTruncated, "quote.truncated", Malformed,
        "The quote ends before a field that its header promises.",
        "Send the whole quote as the quoting enclave returned it.";
    QuoteVersion, "quote.version", Malformed,
        "The quote's version is not 3, 4 or 5, or does not exist for its kind of TEE.",
        "Use a quote of version 3, 4 or 5; update this verifier if a newer version exists.";
    QuoteTeeType, "quote.tee_type", Malformed,
        "The header's TEE type is neither SGX (0) nor TDX (0x81), or contradicts the body.",
        "Send the quote as the quoting enclave returned it.";
    QuoteKeyType, "quote.attestation_key_type", Malformed,
        "The attestation key is not ECDSA on P-256.",
        "Ask the platform for an ECDSA P-256 quote.";
    QuoteBody, "quote.body", Malformed,
        "A version 5 body type is unknown or its size is not the size of that type.",
        "Send the quote as the quoting enclave returned it.";
    QuoteAuthData, "quote.auth_data", Malformed,
        "Lengths inside the signature data do not fit, or bytes remain behind it.",
        "Send the quote as the quoting enclave returned it.";
    QuoteCertificationData, "quote.certification_data", Malformed,
        "The certification data has an unknown type, a wrong size, or certificates that cannot be decoded.",
        "Send the quote as the quoting enclave returned it.";
    CertificateMalformed, "certificate.malformed", Malformed,
        "A certificate is not DER, not X.509 version 3, or has an extension that cannot be decoded.",
        "Fetch the chain again from its source.";
    CertificateAlgorithm, "certificate.algorithm", Untrusted,
        "A certificate's key or signature uses an algorithm that its role does not allow.",
        "Fetch the chain again; Intel's certificates use ECDSA P-256, AMD's RSA-PSS and ECDSA P-384.";
    CertificateCriticalExtension, "certificate.critical_extension", Untrusted,
        "A certificate or CRL has a critical extension that this verifier does not understand.",
        "Fetch it again from its source; if it is genuine, this verifier needs an update.";
    CertificateExpired, "certificate.expired", Stale,
        "A certificate on the path is past its notAfter.",
        "Fetch newer collateral; check the clock; a platform with an expired PCK must be provisioned again.";
    CertificateNotYetValid, "certificate.not_yet_valid", Stale,
        "A certificate on the path is before its notBefore.",
        "Check the clock of the verifier.";
    ChainIncomplete, "chain.incomplete", Malformed,
        "A chain has no leaf, more than one leaf, no issuer for a certificate, or too many certificates.",
        "Send the chain leaf, CA and (optionally) root.";
    ChainRoot, "chain.root", Untrusted,
        "A chain ends in a root that is not an accepted trust anchor, or carries another key under the anchor's name.",
        "Production evidence ends in Intel's or AMD's root. To accept emulated evidence in a test, name the emulator's root.";
    ChainSignature, "chain.signature", Untrusted,
        "A certificate's signature does not verify under its issuer's key.",
        "Fetch the chain again; if it stays, the evidence is forged or damaged.";
    ChainRole, "chain.role", Untrusted,
        "A certificate is used against its basic constraints or key usage: a leaf as CA, a CA as leaf, a CA that may not sign.",
        "Fetch the chain again; if it stays, the evidence is forged.";
    ChainName, "chain.name", Untrusted,
        "Under Intel's root, a common name is not one Intel uses for that role.",
        "Fetch the chain again; if it stays, a certificate is used outside its role.";
    ChainKeyIdentifier, "chain.key_identifier", Untrusted,
        "An authority key identifier does not name the issuer's key, or one that must be there is missing.",
        "Fetch the chain again.";
    RootRevoked, "chain.root_revoked", Untrusted,
        "The root CRL lists the root itself.",
        "Stop trusting this root; look for the vendor's announcement.";
    CrlMalformed, "crl.malformed", Malformed,
        "A CRL is not DER, not version 2, or lacks nextUpdate or its CRL number.",
        "Fetch the CRL again.";
    CrlIssuer, "crl.issuer", Untrusted,
        "A CRL is issued by somebody other than the CA whose certificates it must cover.",
        "Fetch the PCK CRL of the right CA (processor or platform).";
    CrlSignature, "crl.signature", Untrusted,
        "A CRL's signature does not verify under its issuer's key.",
        "Fetch the CRL again.";
    CrlExpired, "crl.expired", Stale,
        "A CRL is past its nextUpdate.",
        "Refresh the collateral.";
    CrlNotYetValid, "crl.not_yet_valid", Stale,
        "A CRL's thisUpdate is in the future.",
        "Check the clock of the verifier.";
    CollateralMalformed, "collateral.malformed", Malformed,
        "The collateral file or response cannot be decoded.",
        "Fetch or export the collateral again.";
    CollateralMissing, "collateral.missing", Unavailable,
        "No collateral for this TEE, platform family and CA is at hand.",
        "Fetch collateral for the FMSPC and CA that the message names.";
    CollateralOutage, "collateral.outage", Unavailable,
        "The collateral service did not answer, or answered with an error.",
        "Check the address and the network; try again later.";
    CollateralWithdrawn, "collateral.withdrawn", Unavailable,
        "The service answered 410: this TCB evaluation data number has been withdrawn.",
        "Ask for a newer evaluation number, or for the default.";
    EvaluationsMalformed, "evaluations.malformed", Malformed,
        "The list of evaluation numbers is not the JSON that its version defines.",
        "Fetch it again.";
    EvaluationsSignature, "evaluations.signature", Untrusted,
        "The signature over the exact bytes of the list of evaluation numbers does not verify.",
        "Fetch it again, and keep its bytes unchanged.";
    EvaluationsExpired, "evaluations.expired", Stale,
        "The list of evaluation numbers is past its nextUpdate.",
        "Fetch it again.";
    EvaluationsNotYetValid, "evaluations.not_yet_valid", Stale,
        "The list of evaluation numbers was issued in the future.",
        "Check the clock of the verifier.";
    CollateralDowngrade, "collateral.downgrade", Stale,
        "The collateral is older than collateral this verifier has already accepted.",
        "Refresh the collateral. If the older one is meant, an owner must reset the memory, which is audited.";
    TcbSignerRevoked, "tcb_signer.revoked", Untrusted,
        "The root CRL lists the certificate that signs TCB info or QE identity.",
        "Refresh the collateral, with its issuer chain.";
    TcbInfoMalformed, "tcb_info.malformed", Malformed,
        "TCB info is not the JSON that its version defines.",
        "Fetch it again.";
    TcbInfoVersion, "tcb_info.version", Malformed,
        "TCB info has a version other than 2 or 3, or a tcbType other than 0.",
        "Fetch version 3 (PCS v4).";
    TcbInfoSignature, "tcb_info.signature", Untrusted,
        "The signature over the exact bytes of TCB info does not verify.",
        "Fetch it again, and keep its bytes unchanged.";
    TcbInfoExpired, "tcb_info.expired", Stale,
        "TCB info is past its nextUpdate.",
        "Refresh the collateral.";
    TcbInfoNotYetValid, "tcb_info.not_yet_valid", Stale,
        "TCB info was issued in the future.",
        "Check the clock of the verifier.";
    TcbInfoTee, "tcb_info.tee", Untrusted,
        "TCB info is for the other TEE (SGX for a TDX quote or the reverse).",
        "Fetch TCB info from the path of the right TEE.";
    TcbInfoFmspc, "tcb_info.fmspc", Untrusted,
        "TCB info is for another platform family (FMSPC) than the PCK certificate.",
        "Fetch TCB info for the FMSPC that the message names.";
    TcbInfoPceid, "tcb_info.pceid", Untrusted,
        "TCB info is for another PCEID than the PCK certificate.",
        "Fetch the right TCB info; if it stays, the PCK certificate is not for this platform.";
    QeIdentityMalformed, "qe_identity.malformed", Malformed,
        "QE identity is not the JSON that its version defines.",
        "Fetch it again.";
    QeIdentityVersion, "qe_identity.version", Malformed,
        "QE identity has a version other than 2.",
        "Fetch version 2 (PCS v4).";
    QeIdentitySignature, "qe_identity.signature", Untrusted,
        "The signature over the exact bytes of QE identity does not verify.",
        "Fetch it again, and keep its bytes unchanged.";
    QeIdentityExpired, "qe_identity.expired", Stale,
        "QE identity is past its nextUpdate.",
        "Refresh the collateral.";
    QeIdentityNotYetValid, "qe_identity.not_yet_valid", Stale,
        "QE identity was issued in the future.",
        "Check the clock of the verifier.";
    QeIdentityTee, "qe_identity.tee", Untrusted,
        "The identity is not that of the quoting enclave of this TEE (QE for SGX, TD_QE for TDX).",
        "Fetch qe/identity from the path of the right TEE.";
    PckUnavailable, "pck.unavailable", Unavailable,
        "The quote names its platform by PPID and the collateral has no PCK certificate chain.",
        "Fetch the PCK certificate for the PPID and put it into the collateral.";
    PckExtension, "pck.extension", Malformed,
        "The SGX extension of the PCK certificate lacks a field or has one of a wrong size.",
        "Fetch the PCK certificate again.";
    PckRevoked, "pck.revoked", Untrusted,
        "The PCK CRL lists the platform's certificate.",
        "Do not trust this platform; its owner must ask Intel.";
    PckCaRevoked, "pck.ca_revoked", Untrusted,
        "The root CRL lists the CA that issued the PCK certificate.",
        "Do not trust platforms of this CA; look for the vendor's announcement.";
    PckOtherPlatform, "pck.other_platform", Untrusted,
        "The PCK certificate is for another platform than the certification data of the quote names.",
        "Fetch the PCK certificate for the PPID and PCEID in the quote.";
    QuoteVendor, "quote.vendor", Untrusted,
        "The quoting enclave's vendor is not Intel's.",
        "Use a quote of Intel's quoting enclave.";
    QuoteSignature, "quote.signature", Untrusted,
        "The signature over the quote does not verify under its attestation key.",
        "The quote is forged or damaged: ask for a new one.";
    QeReportSignature, "qe.report_signature", Untrusted,
        "The quoting enclave's report is not signed by the platform's PCK.",
        "The quote is forged or damaged: ask for a new one.";
    QeReportData, "qe.report_data", Untrusted,
        "The quoting enclave's report does not commit to the attestation key and authentication data.",
        "The quote is forged or damaged: ask for a new one.";
    QeDebug, "qe.debug", Untrusted,
        "The quoting enclave is a debug enclave.",
        "Do not trust this platform: its attestation key can be read.";
    QeMiscselect, "qe.miscselect", Untrusted,
        "The quoting enclave's MISCSELECT is not the one in QE identity.",
        "Do not trust the quote: it was made by another enclave.";
    QeAttributes, "qe.attributes", Untrusted,
        "The quoting enclave's ATTRIBUTES are not the ones in QE identity.",
        "Do not trust the quote: it was made by another enclave.";
    QeMrsigner, "qe.mrsigner", Untrusted,
        "The quoting enclave is not signed by the signer in QE identity.",
        "Do not trust the quote: it was made by another enclave.";
    QeIsvprodid, "qe.isvprodid", Untrusted,
        "The quoting enclave's product id is not the one in QE identity.",
        "Do not trust the quote: it was made by another enclave of the same signer.";
    QeRevoked, "qe.tcb_revoked", Untrusted,
        "QE identity says that this version of the quoting enclave is revoked.",
        "The platform must update its quoting enclave.";
    QeNotSupported, "qe.tcb_not_supported", Untrusted,
        "The quoting enclave is older than every level in QE identity.",
        "The platform must update its quoting enclave.";
    TdxModuleUnknown, "tdx_module.unknown", Untrusted,
        "TCB info has no identity for the version of the TDX module, or none at all.",
        "Refresh the collateral (version 3); if it stays, Intel does not know this module.";
    TdxModuleSigner, "tdx_module.signer", Untrusted,
        "The TDX module is not signed by the signer in TCB info.",
        "Do not trust the platform: it runs another module.";
    TdxModuleAttributes, "tdx_module.attributes", Untrusted,
        "The TDX module's SEAMATTRIBUTES are not the ones in TCB info, or not zero.",
        "Do not trust the platform: its module is in debug mode.";
    TdxModuleNotSupported, "tdx_module.tcb_not_supported", Untrusted,
        "The TDX module is older than every level in its identity.",
        "The platform must update its TDX module.";
    TcbStatusUnknown, "tcb.status_unknown", Malformed,
        "A TCB level has a status that does not exist for its structure.",
        "Fetch the collateral again; if it is genuine, this verifier needs an update.";
    TcbRevoked, "tcb.revoked", Untrusted,
        "Intel has revoked this TCB level: keys of such platforms are compromised.",
        "Do not trust this platform until its owner has updated it and recovered its TCB.";
    TcbNotSupported, "tcb.not_supported", Untrusted,
        "The platform's TCB is below every level in TCB info.",
        "The platform must update; check that the TCB info is for this platform.";
    SnpReport, "snp.report", Malformed,
        "The bytes are not an SEV-SNP attestation report: wrong size, or fields that contradict each other.",
        "Send the 1184 bytes that the firmware returned.";
    SnpVersion, "snp.version", Malformed,
        "The report's version is not 2, 3, 4 or 5.",
        "Update the firmware of the platform or this verifier.";
    SnpSignatureAlgorithm, "snp.signature_algorithm", Malformed,
        "The report is not signed with ECDSA P-384.",
        "Ask the firmware for a signed report.";
    SnpSignature, "snp.signature", Untrusted,
        "The report's signature does not verify under the endorsement key.",
        "Check that the VCEK or VLEK is for this chip and TCB; otherwise the report is forged.";
    SnpVekExtension, "snp.vek_extension", Malformed,
        "The endorsement certificate lacks an AMD extension or has one that cannot be decoded.",
        "Fetch the certificate again from AMD's key service.";
    SnpVekKind, "snp.vek_kind", Untrusted,
        "The report says it is signed by the other kind of key (VCEK or VLEK) than the certificate holds.",
        "Supply the certificate of the key that the report names.";
    SnpVekTcb, "snp.vek_tcb", Untrusted,
        "The endorsement certificate is for another TCB than the report's reported TCB.",
        "Fetch the VCEK for the reported TCB.";
    SnpVekChip, "snp.vek_chip", Untrusted,
        "The endorsement certificate is for another chip than the report names.",
        "Fetch the VCEK of this chip.";
    SnpVekProduct, "snp.vek_product", Untrusted,
        "The endorsement certificate is for another processor family than its root or the report.",
        "Fetch the certificate chain of the right product.";
    SnpTcbOrder, "snp.tcb_order", Untrusted,
        "The reported TCB is higher than the committed or the current TCB.",
        "Do not trust the report: no firmware makes such a one.";
    SnpVekRevoked, "snp.vek_revoked", Untrusted,
        "AMD's CRL lists the endorsement certificate or the CA that issued it.",
        "Do not trust this platform; look for AMD's announcement.";
    RatlsMalformed, "ratls.malformed", Malformed,
        "The certificate carries no evidence, or evidence in an envelope that cannot be decoded.",
        "Send a certificate with the evidence extension of the interoperable RA-TLS specification.";
    RatlsBinding, "ratls.key_binding", Untrusted,
        "The evidence in the certificate does not commit to the certificate's key.",
        "The certificate was made for another key: refuse the connection.";
    OpenEnclaveMalformed, "open_enclave.malformed", Malformed,
        "What follows the quote is not Open Enclave's custom claims, or a file is not its endorsements.",
        "Send evidence and endorsements as the Open Enclave SDK returned them.";
    OpenEnclaveBinding, "open_enclave.binding", Untrusted,
        "The quote's report data is not the hash of the custom claims behind it.",
        "The claims were changed or belong to another quote: ask for new evidence.";
    Bug, "bug", Bug,
        "A step that cannot fail has failed, or the verifier was built without cryptography it needs.",
        "Report it with the evidence and collateral.";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl serde::Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}
