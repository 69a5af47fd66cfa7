//! The server's certificate: read anew for every connection, so that it is rotated by replacing its files.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The files of the certificate. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    loaded: Mutex<Loaded>,
}

/// The contents of both files, and what was made of them.
struct Loaded {
    pem: [Vec<u8>; 2],
    config: Arc<ServerConfig>,
    /// The files have changed into something that cannot be used; it is reported once.
    is_stale: bool,
}

impl Tls {
    /// TLS with the chain in one PEM file and its key in the other.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn new(certificate: PathBuf, key: PathBuf) -> anyhow::Result<Self> {
        let files = [&certificate, &key];
        let pem = read(files).context("http.certificate with http.key")?;
        let config = config(&pem).context("http.certificate with http.key")?;
        let loaded = Mutex::new(Loaded { pem, config, is_stale: false });
        Ok(Self(Arc::new(Inner { certificate, key, loaded })))
    }

    /// Serves a connection with the certificate as it is now, or as it was where the files cannot be used.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let Inner { certificate, key, loaded } = &*self.0;
        let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let renewed = read([certificate, key]).and_then(|pem| {
            let config = if pem == loaded.pem { Arc::clone(&loaded.config) } else { config(&pem)? };
            Ok((pem, config))
        });
        match renewed {
            Ok((pem, config)) => *loaded = Loaded { pem, config, is_stale: false },
            Err(error) if !loaded.is_stale => {
                tracing::warn!(
                    reason = format!("{error:#}"),
                    "the new certificate cannot be used; serving the old one"
                );
                loaded.is_stale = true;
            }
            Err(_) => {}
        }
        TlsAcceptor::from(Arc::clone(&loaded.config))
    }
}

fn read(files: [&PathBuf; 2]) -> anyhow::Result<[Vec<u8>; 2]> {
    let [certificate, key] =
        files.map(|file| std::fs::read(file).with_context(|| format!("could not read {}", file.display())));
    Ok([certificate?, key?])
}

fn config([certificate, key]: &[Vec<u8>; 2]) -> anyhow::Result<Arc<ServerConfig>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
    let key = PrivateKeyDer::from_pem_slice(key).context("the key cannot be read")?;
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain.context("the certificate cannot be read")?, key)?;
    Ok(Arc::new(config))
}
