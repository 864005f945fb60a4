//! Certificates for a test, and a server's side of TLS.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A certificate authority with one certificate, for localhost.
#[derive(Debug)]
pub struct Authority {
    pub ca: PathBuf,
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// Made with openssl, in `dir`.
    pub fn create(dir: &Path) -> Authority {
        let path = |name: &str| dir.join(name);
        let openssl = super::installed("openssl", "openssl");
        let run = |args: &[&str]| {
            let output = Command::new(&openssl).args(args).current_dir(dir).output();
            let output = output.expect("openssl runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let ca = ["req", "-x509", "-days", "2", "-subj", "/CN=test-ca"];
        run(&[&ca[..], &key, &["-keyout", "ca.key", "-out", "ca.pem"]].concat());
        let request = ["req", "-subj", "/CN=localhost"];
        run(&[&request[..], &key, &["-keyout", "server.key", "-out", "server.csr"]].concat());
        std::fs::write(path("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
            .expect("the directory is writable");
        let sign = ["x509", "-req", "-days", "2", "-in", "server.csr", "-CA", "ca.pem"];
        let into =
            ["-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-out", "server.pem"];
        run(&[&sign[..], &into].concat());
        Authority { ca: path("ca.pem"), cert: path("server.pem"), key: path("server.key") }
    }

    pub fn server(&self) -> Arc<ServerConfig> {
        let chain: Vec<_> = CertificateDer::pem_file_iter(&self.cert)
            .expect("it is readable")
            .map(|certificate| certificate.expect("it is a certificate"))
            .collect();
        let key = PrivateKeyDer::from_pem_file(&self.key).expect("it is a key");
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("ring has them");
        let config = config.with_no_client_auth().with_single_cert(chain, key);
        Arc::new(config.expect("the key fits the certificate"))
    }
}

/// The server's end of a connection, with TLS or without.
pub(super) trait Stream: std::io::Read + std::io::Write + Send {}

impl<T: std::io::Read + std::io::Write + Send> Stream for T {}

pub(super) fn accepted(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> Box<dyn Stream> {
    match tls {
        None => Box::new(stream),
        Some(config) => {
            let connection = ServerConnection::new(config.clone()).expect("it is configured");
            Box::new(StreamOwned::new(connection, stream))
        }
    }
}

impl Authority {
    /// The client's end of a connection to localhost.
    pub(super) fn connect(&self, stream: TcpStream) -> Box<dyn Stream> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.ca).expect("it is readable") {
            roots.add(certificate.expect("it is a certificate")).expect("it is an authority");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().expect("it is a name");
        let connection = rustls::ClientConnection::new(Arc::new(config), name);
        Box::new(StreamOwned::new(connection.expect("it is configured"), stream))
    }
}
