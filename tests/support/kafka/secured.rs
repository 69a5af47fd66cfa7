//! A broker with TLS, SASL and ACLs.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::{Extra, Kafka, Life, free_port};
use crate::support::certificates::certificates;

/// The password of every user.
const PASSWORD: &str = "s3cret-of-the-tests";

/// The users with all ACLs but one; each is named after the missing one.
const LACKING: [&str; 4] = ["onboarding", "group", "changes", "dead"];

/// A listener of the broker.
#[derive(Clone, Copy, Debug)]
pub enum Listener {
    /// TLS, with an optional client certificate.
    Ssl,
    /// TLS, with user name and password.
    SaslSsl,
}

/// On the plaintext listener every operation is allowed; on the others, `segmenter` has the documented ACLs, and
/// `segmenter-operator` those that a test gives it.
pub struct SecuredKafka {
    pub kafka: Kafka,
    ssl: u16,
    sasl_ssl: u16,
}

/// The broker with security that all tests share, started on first use.
pub fn secured_kafka() -> &'static SecuredKafka {
    static SHARED: OnceLock<SecuredKafka> = OnceLock::new();
    SHARED.get_or_init(SecuredKafka::start)
}

impl SecuredKafka {
    pub const PASSWORD: &'static str = PASSWORD;

    /// For the binary's `KAFKA_BROKERS`.
    pub fn brokers(&self, listener: Listener) -> String {
        match listener {
            Listener::Ssl => format!("localhost:{}", self.ssl),
            Listener::SaslSsl => format!("localhost:{}", self.sasl_ssl),
        }
    }

    /// How many operations the broker has denied this user.
    pub fn denials(&self, user: &str) -> usize {
        let log = std::fs::read(self.kafka.own().folder().join("log")).expect("the broker writes a log");
        let of_user = format!("Principal = User:{user} is Denied");
        String::from_utf8_lossy(&log).lines().filter(|line| line.contains(&of_user)).count()
    }

    fn start() -> Self {
        let (ssl, sasl_ssl) = (free_port(), free_port());
        let kafka = Kafka::start_with(Life::Short, &[], |folder| extra(folder, ssl, sasl_ssl));
        grant(kafka.brokers());
        Self { kafka, ssl, sasl_ssl }
    }
}

fn extra(folder: &Path, ssl: u16, sasl_ssl: u16) -> Extra {
    let known = ["segmenter", "segmenter-operator"].map(str::to_owned).into_iter();
    let users: Vec<String> = known.chain(LACKING.map(without)).collect();
    let plain: String = users.iter().map(|user| format!(" user_{user}=\"{PASSWORD}\"")).collect();
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    let properties = format!(
        "{}\
         ssl.client.auth=requested\nssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/\n\
         sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
         listener.name.sasl_ssl.plain.sasl.jaas.config=\
         org.apache.kafka.common.security.plain.PlainLoginModule required{plain};\n\
         listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={scram}\n\
         listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram}\n",
        encrypted(folder),
    );
    let credentials = users.iter().flat_map(|user| {
        ["SCRAM-SHA-256", "SCRAM-SHA-512"].map(|mechanism| format!("{mechanism}=[name={user},password={PASSWORD}]"))
    });
    Extra {
        listeners: vec![format!("SSL://localhost:{ssl}"), format!("SASL_SSL://localhost:{sasl_ssl}")],
        properties,
        format: credentials.flat_map(|credential| ["--add-scram".to_owned(), credential]).collect(),
    }
}

/// The properties of a broker with our certificate and ACLs.
pub(super) fn encrypted(folder: &Path) -> String {
    let certificates = certificates();
    let key_store = folder.join("broker.pem");
    std::fs::write(&key_store, certificates.ours.server.key_and_certificate()).expect("the folder is writable");
    format!(
        "ssl.keystore.type=PEM\nssl.keystore.location={}\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL\n\
         super.users=User:ANONYMOUS\n",
        key_store.display(),
        certificates.ours.ca.display(),
    )
}

/// The user with all ACLs of the service but this one.
fn without(lacking: &str) -> String {
    format!("without-{lacking}")
}

/// Grants the users the ACLs that `docs/security.md` lists, by the prefixes of the scenes' names.
pub(super) fn grant(brokers: &str) {
    const SCRIPT: &str = r#"
import sys
from kafka.admin import KafkaAdminClient, ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType, ACLResourcePatternType
needs = [("TOPIC", "onboarding", "READ"), ("TOPIC", "onboarding", "DESCRIBE_CONFIGS"), ("TOPIC", "updates", "READ"),
         ("TOPIC", "updates", "DESCRIBE_CONFIGS"), ("TOPIC", "changes", "WRITE"), ("TOPIC", "dead", "WRITE"),
         ("GROUP", "group", "READ")]
acls = []
for user in sys.argv[2:]:
    for kind, name, operation in needs:
        if user != "without-" + name:
            pattern = ResourcePattern(ResourceType[kind], name, ACLResourcePatternType.PREFIXED)
            acls.append(ACL("User:" + user, "*", ACLOperation[operation], ACLPermissionType.ALLOW, pattern))
result = KafkaAdminClient(bootstrap_servers=sys.argv[1]).create_acls(acls)
sys.exit(1 if result["failed"] else 0)
"#;
    let output = Command::new("python3")
        .args(["-c", SCRIPT, brokers, "segmenter"])
        .args(LACKING.map(without))
        .env("PYTHONPATH", crate::support::source("target/python"))
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "no ACLs: {}", String::from_utf8_lossy(&output.stderr));
}
