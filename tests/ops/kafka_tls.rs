//! Kafka with TLS, SASL and ACLs: the working set-ups, and the error messages of the others.

use std::time::Duration;

use crate::scene::{DEADLINE, Scene, history};
use crate::support::{
    Door, Finished, Listener, SecuredKafka, Segmenter, certificates, eventually, http_get, kafka, secured_kafka,
    segmenter,
};

/// Environment variables, by name.
type Environment = Vec<(&'static str, String)>;

async fn scene() -> Scene {
    let secured = tokio::task::spawn_blocking(secured_kafka).await.unwrap();
    Scene::on(&secured.kafka, 1).await
}

fn tls() -> Environment {
    vec![
        ("KAFKA_BROKERS", secured_kafka().brokers(Listener::Ssl)),
        ("KAFKA_SECURITY_PROTOCOL", "ssl".to_owned()),
        ("KAFKA_SSL_CA", certificates().ours.ca.display().to_string()),
    ]
}

fn with_certificate() -> Environment {
    let client = &certificates().ours.client;
    let mut environment = tls();
    environment.push(("KAFKA_SSL_CERTIFICATE", client.certificate.display().to_string()));
    environment.push(("KAFKA_SSL_KEY", client.key.display().to_string()));
    environment
}

fn sasl(mechanism: &str, user: &str, password: &str) -> Environment {
    vec![
        ("KAFKA_BROKERS", secured_kafka().brokers(Listener::SaslSsl)),
        ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl".to_owned()),
        ("KAFKA_SSL_CA", certificates().ours.ca.display().to_string()),
        ("KAFKA_SASL_MECHANISM", mechanism.to_owned()),
        ("KAFKA_SASL_USERNAME", user.to_owned()),
        ("KAFKA_SASL_PASSWORD", password.to_owned()),
    ]
}

fn serve(scene: &Scene, environment: &Environment) -> Segmenter {
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    scene.serve_with(&environment)
}

async fn works(environment: &Environment) {
    let mut scene = scene().await;
    scene.onboarding = scene.kafka.create_topic("onboarding", 1, &[("retention.ms", "604800000")]).await;
    scene.add_users(10).await;
    let mut process = serve(&scene, environment);
    scene.produce(&history(10, 60, 71)).await;
    // A record to be dead-lettered.
    scene.kafka.produce(&scene.onboarding, crate::support::Record::new("user-1", "{")).await;
    scene.settled().await;
    scene.assert_right().await;
    assert_eq!(scene.dead_letters().await.len(), 1);
    let mut of_command = scene.environment();
    of_command.extend(environment.iter().map(|(name, value)| (*name, value.as_str())));
    let positions = segmenter(&["positions", "--json"], &of_command).finish(DEADLINE).await;
    assert!(positions.code == Some(0) && positions.stdout.contains("\"members\":1"), "{positions:?}");
    let address = process.http_address().await;
    eventually(DEADLINE, "the retention of an input topic is known", || async {
        http_get(address, "/metrics").await.body.contains("segmenter_topic_retention_seconds{")
    })
    .await;
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0), "{:?}", process.log());
}

/// The most connections that a refused process may open before it ends: three clients with a few attempts each.
const CONNECTIONS: usize = 20;

/// The most denials that a process without a right may cause before it ends.
const DENIALS: usize = 40;

/// The output of a process that has to end soon with exit code 1.
async fn fails(scene: &Scene, environment: &Environment) -> Finished {
    let began = std::time::Instant::now();
    let finished = serve(scene, environment).finish(DEADLINE).await;
    assert_eq!(finished.code, Some(1), "{}", finished.log);
    assert!(!finished.log.contains(SecuredKafka::PASSWORD) && !finished.log.contains("wrong-password"));
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    finished
}

fn last_line(finished: &Finished) -> &str {
    finished.log.lines().rfind(|line| line.contains("segmenter ends")).unwrap_or_else(|| panic!("{}", finished.log))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_rights_suffice_over_tls_with_a_clients_certificate() {
    scene().await;
    works(&with_certificate()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_rights_suffice_with_scram_and_with_plain_over_tls() {
    scene().await;
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"] {
        works(&sasl(mechanism, "segmenter", SecuredKafka::PASSWORD)).await;
    }
}

/// The output of a process that is refused; it may open only a few connections.
async fn is_refused(scene: &Scene, door: &Door, mut environment: Environment) -> Finished {
    environment[0].1 = door.address();
    let finished = fails(scene, &environment).await;
    assert!(door.connections() <= CONNECTIONS, "{} connections: {}", door.connections(), finished.log);
    finished
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_ends_the_process_with_what_is_wrong() {
    let scene = scene().await;
    let mut environment = sasl("SCRAM-SHA-512", "segmenter", SecuredKafka::PASSWORD);
    environment[2].1 = certificates().foreign.ca.display().to_string();
    let door = Door::to(&secured_kafka().brokers(Listener::SaslSsl)).await;
    let finished = is_refused(&scene, &door, environment).await;
    for expected in ["is for this name; its authority", "certificate verify failed", "ssl.ca.location"] {
        assert!(last_line(&finished).contains(expected), "{}", finished.log);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_ends_the_process_with_both_names() {
    let scene = Scene::new(1).await;
    let door = Door::with_certificate(kafka().brokers(), &certificates().ours.elsewhere).await;
    let environment = vec![
        ("KAFKA_BROKERS", String::new()),
        ("KAFKA_SECURITY_PROTOCOL", "ssl".to_owned()),
        ("KAFKA_SSL_CA", certificates().ours.ca.display().to_string()),
    ];
    let finished = is_refused(&scene, &door, environment).await;
    for expected in [format!("{} is for another name", door.address()), "broker.example".to_owned()] {
        assert!(last_line(&finished).contains(&expected), "{}", finished.log);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_names_what_is_wrong_with_a_certificate() {
    let scene = scene().await;
    let cases = [
        (&certificates().foreign.server, "is for this name; its authority is not trusted"),
        (&certificates().ours.elsewhere, "is for another name"),
    ];
    for (certificate, expected) in cases {
        let door = Door::with_certificate(scene.kafka.brokers(), certificate).await;
        let mut more = tls();
        more[0].1 = door.address();
        let mut environment = scene.environment();
        environment.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
        let finished = segmenter(&["doctor"], &environment).finish(DEADLINE).await;
        assert_eq!(finished.code, Some(4), "{}", finished.stdout);
        let words: Vec<&str> = finished.stdout.split_whitespace().collect();
        assert!(words.join(" ").contains(expected), "{}", finished.stdout);
        assert!(door.connections() <= 2 * CONNECTIONS, "{} connections", door.connections());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_ends_the_process_with_what_is_wrong() {
    let scene = scene().await;
    for mechanism in ["SCRAM-SHA-512", "PLAIN"] {
        let door = Door::to(&secured_kafka().brokers(Listener::SaslSsl)).await;
        let finished = is_refused(&scene, &door, sasl(mechanism, "segmenter", "wrong-password")).await;
        assert!(last_line(&finished).contains("Authentication failed"), "{}", finished.log);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_ends_the_process_with_the_name_of_the_topic_or_the_group() {
    let scene = scene().await;
    scene.add_users(3).await;
    scene.produce(&history(3, 20, 72)).await;
    scene.kafka.produce(&scene.onboarding, crate::support::Record::new("user-1", "{")).await;
    let cases = [
        ("without-onboarding", scene.onboarding.as_str(), "not allowed to"),
        ("without-group", "the group", "not allowed to read"),
        ("without-changes", &scene.changes, "not allowed to"),
        ("without-dead", &scene.dead, "not allowed to"),
    ];
    for (user, named, expected) in cases {
        let finished = fails(&scene, &sasl("SCRAM-SHA-256", user, SecuredKafka::PASSWORD)).await;
        assert!(
            last_line(&finished).contains(expected) && last_line(&finished).contains(named),
            "{user}: {}",
            finished.log
        );
        let denials = secured_kafka().denials(user);
        assert!((1..=DENIALS).contains(&denials), "{user}: {denials} denials");
    }
    // With all rights the unpublished changes and unwritten dead letters are produced.
    let _process = serve(&scene, &sasl("SCRAM-SHA-256", "segmenter", SecuredKafka::PASSWORD));
    scene.expire_leases().await;
    scene.settled().await;
    scene.assert_right().await;
    assert_eq!(scene.dead_letters().await.len(), 1);
}

/// Unavailable brokers are an outage, also where they require a password.
#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_are_unavailable_are_waited_for_also_where_they_are_secured() {
    let scene = scene().await;
    let mut environment = sasl("SCRAM-SHA-256", "segmenter", SecuredKafka::PASSWORD);
    environment[0].1 = "localhost:1".to_owned();
    let mut process = serve(&scene, &environment);
    process.wait_for_log("Kafka is not ready").await;
    let began = std::time::Instant::now();
    crate::support::eventually(DEADLINE, "longer than refusals are tolerated", || async {
        began.elapsed() > Duration::from_secs(25)
    })
    .await;
    assert!(process.is_running());
}
