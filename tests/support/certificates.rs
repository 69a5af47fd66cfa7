//! Certificates made for one run: a trusted authority, and a foreign one of the same name.

use std::path::PathBuf;
use std::sync::OnceLock;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// PEM files, in a folder that is removed at the end of the run.
pub struct Certificates {
    _folder: tempfile::TempDir,
    /// The authority that has signed the servers' certificates.
    pub ours: Authority,
    /// Another one, of the same name.
    pub foreign: Authority,
}

/// An authority and the certificates that it has signed.
pub struct Authority {
    /// Its certificate.
    pub ca: PathBuf,
    /// A server's certificate for `localhost` and 127.0.0.1.
    pub server: Signed,
    /// A server's certificate for another host name.
    pub elsewhere: Signed,
    /// A client's certificate for `segmenter`.
    pub client: Signed,
}

/// A certificate and its key.
pub struct Signed {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Signed {
    /// The contents of both files: the key, then the certificate.
    pub fn key_and_certificate(&self) -> String {
        [&self.key, &self.certificate].map(|path| std::fs::read_to_string(path).expect("it was written")).concat()
    }
}

/// The certificates of the run.
pub fn certificates() -> &'static Certificates {
    static MADE: OnceLock<Certificates> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("the temporary folder takes a new folder");
        let (ours, foreign) =
            (Authority::new(folder.path().join("ours")), Authority::new(folder.path().join("foreign")));
        Certificates { _folder: folder, ours, foreign }
    })
}

impl Authority {
    fn new(folder: PathBuf) -> Self {
        std::fs::create_dir(&folder).expect("the folder is new");
        let write = |name: &str, pem: String| {
            let path = folder.join(name);
            std::fs::write(&path, pem).expect("the folder is writable");
            path
        };
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Authority of the tests");
        let key = KeyPair::generate().expect("a key");
        let ca = write("ca.pem", params.self_signed(&key).expect("it signs itself").pem());
        let issuer = Issuer::new(params, key);
        let sign = |name: &str, alternative_names: &[&str]| {
            let names = alternative_names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            let mut params = CertificateParams::new(names).expect("valid names");
            params.distinguished_name.push(DnType::CommonName, name);
            let key = KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, &issuer).expect("it is signed");
            Signed {
                certificate: write(&format!("{name}.pem"), certificate.pem()),
                key: write(&format!("{name}.key"), key.serialize_pem()),
            }
        };
        let (server, elsewhere) = (sign("server", &["localhost", "127.0.0.1"]), sign("elsewhere", &["broker.example"]));
        Self { ca, server, elsewhere, client: sign("segmenter", &[]) }
    }
}
