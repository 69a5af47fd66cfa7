//! A TCP proxy that counts connections, and serves TLS where it has a certificate.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::certificates::{Authority, Signed};

/// A listener that forwards everything; closed when dropped.
pub struct Door {
    port: u16,
    connections: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Door {
    /// A proxy to `server`, given as `host:port`.
    pub async fn to(server: &str) -> Self {
        Self::open(server, None).await
    }

    /// A proxy to `server` that presents this certificate.
    pub async fn with_certificate(server: &str, shown: &Signed) -> Self {
        let any_client = WebPkiClientVerifier::no_client_auth();
        Self::open(server, Some(tls(shown, any_client))).await
    }

    /// A proxy to `server` that presents this authority's certificate, and demands one of the same authority.
    pub async fn with_clients_of(server: &str, authority: &Authority) -> Self {
        let trusted = CertificateDer::pem_file_iter(&authority.ca).expect("it was written");
        let mut roots = RootCertStore::empty();
        trusted.for_each(|trusted| roots.add(trusted.expect("valid PEM")).expect("a certificate"));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Self::open(server, Some(tls(&authority.server, verifier.expect("it has an authority")))).await
    }

    async fn open(server: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, server) = (Arc::clone(&connections), server.to_owned());
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(pass_on(client, server.clone(), tls.clone()));
            }
        });
        Self { port, connections, serving }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `localhost:port`.
    pub fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The number of accepted connections.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Serves TLS with this certificate to the clients that the verifier accepts.
fn tls(shown: &Signed, clients: Arc<dyn ClientCertVerifier>) -> TlsAcceptor {
    let certificates = CertificateDer::pem_file_iter(&shown.certificate).expect("it was written");
    let key = PrivateKeyDer::from_pem_file(&shown.key).expect("it was written");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_client_cert_verifier(clients)
        .with_single_cert(certificates.map(|certificate| certificate.expect("valid PEM")).collect(), key)
        .expect("the key is the certificate's");
    TlsAcceptor::from(Arc::new(config))
}

/// A connection that fails on either side is closed on both: the client observes the same as without this proxy.
async fn pass_on(mut client: TcpStream, server: String, tls: Option<TlsAcceptor>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let _ = match tls {
        None => copy_bidirectional(&mut client, &mut server).await,
        Some(tls) => match tls.accept(client).await {
            Ok(mut client) => copy_bidirectional(&mut client, &mut server).await,
            Err(error) => Err(error),
        },
    };
}
