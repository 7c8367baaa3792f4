//! Server certificates, reloaded on SIGHUP, and client certificates.

use std::fs;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context as _, Result, bail};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};

use crate::config::TlsSettings;

/// A certificate that can be replaced while connections are served.
#[derive(Debug)]
pub(crate) struct Reloadable {
    settings: TlsSettings,
    provider: Arc<CryptoProvider>,
    key: RwLock<Arc<CertifiedKey>>,
}

impl Reloadable {
    pub(crate) fn new(settings: &TlsSettings) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = RwLock::new(Arc::new(load(settings, &provider)?));
        Ok(Self { settings: settings.clone(), provider, key })
    }

    /// Reads the files again. If they cannot be used, the old certificate stays.
    pub(crate) fn reload(&self) -> Result<()> {
        let key = Arc::new(load(&self.settings, &self.provider)?);
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(())
    }
}

impl ResolvesServerCert for Reloadable {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.key.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn load(settings: &TlsSettings, provider: &CryptoProvider) -> Result<CertifiedKey> {
    let chain = certificates(&settings.cert_file)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key_file)
        .with_context(|| format!("read the TLS key {}", settings.key_file.display()))?;
    CertifiedKey::from_der(chain, key, provider)
        .with_context(|| format!("TLS key and certificate {}", settings.cert_file.display()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = fs::read(path).with_context(|| format!("read certificates {}", path.display()))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.with_context(|| format!("parse certificates {}", path.display()))?;
    if chain.is_empty() {
        bail!("{} has no certificate", path.display());
    }
    Ok(chain)
}

/// The configuration of a listener.
pub(crate) fn server_config(
    settings: &TlsSettings,
    certificate: &Arc<Reloadable>,
) -> Result<ServerConfig> {
    let provider = Arc::clone(&certificate.provider);
    let versions: &[&rustls::SupportedProtocolVersion] = if settings.only_tls13 {
        &[&rustls::version::TLS13]
    } else {
        &[&rustls::version::TLS13, &rustls::version::TLS12]
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .context("TLS versions")?;
    let builder = if settings.disable_client_certs {
        builder.with_no_client_auth()
    } else {
        builder.with_client_cert_verifier(verifier(settings, &provider)?)
    };
    let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(certificate) as _;
    let mut config = builder.with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// With a client CA, certificates must lead to it. Without, any is taken once its owner has proved to have
/// the key; what it is worth is the auth method's decision.
fn verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>> {
    let Some(file) = &settings.client_ca_file else {
        if settings.require_client_cert {
            bail!("tls_require_and_verify_client_cert needs tls_client_ca_file");
        }
        return Ok(Arc::new(AnyCertificate(provider.signature_verification_algorithms)));
    };
    if !settings.require_client_cert {
        // As Vault: the CA is told to clients as a hint, and auth methods verify.
        return Ok(Arc::new(AnyCertificate(provider.signature_verification_algorithms)));
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).with_context(|| format!("client CA {}", file.display()))?;
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    builder.build().context("client CA")
}

/// Takes any client certificate whose key signs the handshake.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
