//! What TLS connections trust, and who they say they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A TLS connection. That there are settings means that TLS is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// Certificates that are trusted, in place of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The sensor's own certificate and key, for receivers that ask for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

impl TlsSettings {
    /// An error says what is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.cert_file.is_some() == self.key_file.is_some() {
            true => Ok(()),
            false => Err("cert_file and key_file go together".to_owned()),
        }
    }
}

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read certificates or a key from {path}: {what}")]
    Pem { path: PathBuf, what: String },
    #[error("there are no certificates in {path}")]
    Empty { path: PathBuf },
    #[error("the system has no trusted certificates: install ca-certificates, or set tls.ca_file")]
    NoRoots,
    #[error("the certificate and the key of the sensor do not fit: {0}")]
    Identity(rustls::Error),
    #[error("cannot set up TLS: {0}")]
    Setup(rustls::Error),
}

/// The certificates of a PEM file.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |error: rustls::pki_types::pem::Error| TlsError::Pem {
        path: path.to_owned(),
        what: error.to_string(),
    };
    let certificates = CertificateDer::pem_file_iter(path).map_err(failed)?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    match certificates.is_empty() {
        true => Err(TlsError::Empty { path: path.to_owned() }),
        false => Ok(certificates),
    }
}

/// The certificate authorities that are trusted.
pub(crate) fn roots(settings: &TlsSettings) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    if let Some(path) = &settings.ca_file {
        return certificates(path);
    }
    let native = rustls_native_certs::load_native_certs();
    match native.certs.is_empty() {
        true => Err(TlsError::NoRoots),
        false => Ok(native.certs),
    }
}

/// A certificate chain with its key.
pub(crate) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The sensor's own certificate, if it has one.
pub(crate) fn identity(settings: &TlsSettings) -> Result<Option<Identity>, TlsError> {
    let (Some(cert), Some(key)) = (&settings.cert_file, &settings.key_file) else {
        return Ok(None);
    };
    let failed = |error: rustls::pki_types::pem::Error| TlsError::Pem {
        path: key.clone(),
        what: error.to_string(),
    };
    Ok(Some((certificates(cert)?, PrivateKeyDer::from_pem_file(key).map_err(failed)?)))
}

/// The cryptography of all TLS connections.
pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub(crate) fn client(settings: &TlsSettings) -> Result<Arc<ClientConfig>, TlsError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots(settings)?);
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(store);
    let config = match identity(settings)? {
        Some((chain, key)) => {
            builder.with_client_auth_cert(chain, key).map_err(TlsError::Identity)?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}
