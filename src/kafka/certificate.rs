//! Explains a broker certificate that fails verification. librdkafka reports the same error for an untrusted authority, a
//! wrong name and an expired certificate; a second handshake distinguishes them.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

/// The deadline of each step of the handshake.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(2);

/// The explanation, if `refusal`, librdkafka's message, is about a certificate.
pub async fn complaint(refusal: &str) -> Option<String> {
    if !refusal.contains("certificate verify failed") {
        return None;
    }
    let (host, port) = broker(refusal)?;
    let described = tokio::task::spawn_blocking(move || describe(&host, port));
    described.await.ok().flatten()
}

/// The broker that the message begins with, as `sasl_ssl://host:port/id: …`.
fn broker(refusal: &str) -> Option<(String, u16)> {
    let (_, address) = refusal.split(": ").next()?.split_once("://")?;
    let (host, port) = address.split('/').next()?.rsplit_once(':')?;
    Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
}

fn describe(host: &str, port: u16) -> Option<String> {
    match check_name(host, port)? {
        Ok(()) => Some(format!(
            "the certificate of {host}:{port} is for this name; its authority is not trusted (kafka.ssl_ca), or it has expired"
        )),
        Err(error) => Some(format!("the certificate of {host}:{port} is for another name ({error})")),
    }
}

/// Whether the broker's certificate is for the name that the client connects to; `None` if it presents none.
fn check_name(host: &str, port: u16) -> Option<Result<(), Error>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(NameOnly(Arc::clone(&provider)));
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let mut connection = ClientConnection::new(Arc::new(config), name).ok()?;
    let mut stream = connect(host, port)?;
    let error = connection.complete_io(&mut stream).err()?;
    match error.get_ref()?.downcast_ref::<Error>()? {
        error @ Error::InvalidCertificate(_) => Some(Err(error.clone())),
        Error::General(message) if message == SEEN => Some(Ok(())),
        _ => None,
    }
}

fn connect(host: &str, port: u16) -> Option<TcpStream> {
    let connect = |address| -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&address, HANDSHAKE_DEADLINE)?;
        stream.set_read_timeout(Some(HANDSHAKE_DEADLINE))?;
        stream.set_write_timeout(Some(HANDSHAKE_DEADLINE))?;
        Ok(stream)
    };
    (host, port).to_socket_addrs().ok()?.find_map(|address| connect(address).ok())
}

/// Aborts every handshake whose certificate is for the right name.
const SEEN: &str = "the certificate was checked";

/// Checks the name, then aborts the handshake: no connection is ever established.
#[derive(Debug)]
struct NameOnly(Arc<CryptoProvider>);

impl ServerCertVerifier for NameOnly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Err(Error::General(SEEN.to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General(SEEN.to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General(SEEN.to_owned()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::broker;

    #[test]
    fn the_broker_is_parsed_from_librdkafkas_message() {
        let named = |refusal| broker(refusal).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(named("ssl://b-1.example:9093/bootstrap: SSL …").as_deref(), Some("b-1.example 9093"));
        assert_eq!(named("sasl_ssl://[::1]:9093/2: SSL …").as_deref(), Some("::1 9093"));
        assert_eq!(named("1/1 brokers are down"), None);
    }
}
