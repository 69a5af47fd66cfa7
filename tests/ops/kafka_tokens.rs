//! Kafka with tokens of an identity provider (SASL OAUTHBEARER): they are verified by the broker's own validator.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use crate::scene::{DEADLINE, Scene, history};
use crate::support::{
    Door, Finished, IdentityProvider, Proxy, Record, Segmenter, TokenKafka, certificates, eventually, http_get,
    segmenter,
};

/// The life of a token: long enough for a busy machine, short enough for several in one test.
const LIFE: Duration = Duration::from_secs(15);

/// An identity provider and a broker that accepts its tokens. All tests share them, started on first use.
fn servers() -> &'static (IdentityProvider, TokenKafka) {
    static SHARED: OnceLock<(IdentityProvider, TokenKafka)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let provider = IdentityProvider::start(LIFE);
        let kafka = TokenKafka::of(&provider);
        (provider, kafka)
    })
}

async fn scene() -> Scene {
    let (_, secured) = tokio::task::spawn_blocking(servers).await.unwrap();
    Scene::on(&secured.kafka, 1).await
}

/// The settings of a client with the secret in this file and the identity provider at this address.
fn settings(secret: &Path, token_url: &str) -> Vec<(&'static str, String)> {
    let ca = certificates().ours.ca.display().to_string();
    let mut settings = vec![
        ("KAFKA_BROKERS", servers().1.brokers()),
        ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl".to_owned()),
        ("KAFKA_SSL_CA", ca.clone()),
        ("KAFKA_SASL_MECHANISM", "OAUTHBEARER".to_owned()),
        ("KAFKA_SASL_USERNAME", IdentityProvider::CLIENT.to_owned()),
        ("KAFKA_SASL_PASSWORD_FILE", secret.display().to_string()),
        ("KAFKA_SASL_OAUTH_TOKEN_URL", token_url.to_owned()),
        ("KAFKA_SASL_OAUTH_SCOPE", "kafka".to_owned()),
        ("SEGMENTER_LOG_FILTER", "debug".to_owned()),
    ];
    if token_url.starts_with("https://") {
        settings.push(("KAFKA_SASL_OAUTH_CA", ca));
    }
    settings
}

fn secret_file(secret: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), secret).unwrap();
    file
}

fn as_text<'s>(settings: &'s [(&'static str, String)]) -> Vec<(&'static str, &'s str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn serve(scene: &Scene, settings: &[(&'static str, String)]) -> Segmenter {
    scene.serve_with(&as_text(settings))
}

/// The output of a command in the scene.
async fn command(scene: &Scene, arguments: &[&str], settings: &[(&'static str, String)]) -> Finished {
    let mut environment = scene.environment();
    environment.extend(as_text(settings));
    let finished = segmenter(arguments, &environment).finish(DEADLINE).await;
    assert_no_secret(finished.log.lines().chain(finished.stdout.lines()));
    finished
}

/// Neither the client's secret nor the beginning of a token, which is that of any JSON in base64.
fn assert_no_secret<'l>(lines: impl Iterator<Item = &'l str>) {
    for line in lines {
        assert!(!line.contains(IdentityProvider::SECRET) && !line.contains("eyJ"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_rights_suffice_with_tokens_and_every_client_goes_on_when_they_are_renewed() {
    let scene = scene().await;
    scene.add_users(10).await;
    let (provider, _) = servers();
    let door = Door::with_certificate(&provider.address(), &certificates().ours.server).await;
    let secret = secret_file(IdentityProvider::SECRET);
    let settings = settings(secret.path(), &format!("https://{}/token", door.address()));
    let given = provider.given();
    let mut process = serve(&scene, &settings);
    scene.produce(&history(10, 60, 91)).await;
    scene.kafka.produce(&scene.onboarding, Record::new("user-1", "{")).await;
    scene.settled().await;
    assert_eq!(scene.dead_letters().await.len(), 1);

    // A connection ends with its token: two tokens later all are of renewed ones.
    eventually(DEADLINE, "tokens are renewed", || async { provider.given() >= given + 3 }).await;
    scene.produce(&history(10, 60, 92)).await;
    scene.kafka.produce(&scene.onboarding, Record::new("user-1", "{")).await;
    scene.settled().await;
    scene.assert_right().await;
    assert_eq!(scene.dead_letters().await.len(), 2);

    // The secret is rotated: at the provider first, then in its file.
    std::fs::write(secret.path(), "a-secret-that-is-not-valid").unwrap();
    process.wait_for_log("no new token").await;
    std::fs::write(secret.path(), IdentityProvider::SECRET).unwrap();
    process.wait_for_log("gives tokens again").await;
    assert_eq!(http_get(process.http_address().await, "/health/live").await.status, 200);

    let positions = command(&scene, &["positions", "--json"], &settings).await;
    assert!(positions.code == Some(0) && positions.stdout.contains("\"members\":1"), "{positions:?}");
    let doctor = command(&scene, &["doctor", "--json"], &settings).await;
    for expected in ["the brokers admit client segmenter with a token of https://", "the group's offsets can be read"] {
        assert!(doctor.stdout.contains(expected), "{}{}", doctor.stdout, doctor.log);
    }
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0), "{:?}", process.log());
    assert_no_secret(process.log().iter().map(String::as_str));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_secret_ends_the_start_with_the_providers_own_reason() {
    let scene = scene().await;
    let secret = secret_file("wrong-secret");
    let settings = settings(secret.path(), &servers().0.token_url());
    let refused = servers().0.refused();
    let finished = serve(&scene, &settings).finish(DEADLINE).await;
    assert_eq!(finished.code, Some(1), "{}", finished.log);
    let end = finished.log.lines().rfind(|line| line.contains("segmenter ends")).unwrap();
    assert!(end.contains("the identity provider refuses this client: invalid_client"), "{}", finished.log);
    assert!(servers().0.refused() - refused <= 10, "{} requests", servers().0.refused() - refused);
    assert!(!finished.log.contains("wrong-secret"), "{}", finished.log);

    let doctor = command(&scene, &["doctor"], &settings).await;
    assert_eq!(doctor.code, Some(4), "{}", doctor.stdout);
    let words: Vec<&str> = doctor.stdout.split_whitespace().collect();
    assert!(words.join(" ").contains("refuses this client: invalid_client"), "{}", doctor.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_provider_that_is_unavailable_is_waited_for_and_named() {
    let scene = scene().await;
    scene.add_users(3).await;
    scene.produce(&history(3, 20, 93)).await;
    let secret = secret_file(IdentityProvider::SECRET);
    let proxy = Proxy::to(&servers().0.token_url());
    proxy.refuse(true);
    let settings = settings(secret.path(), proxy.url());
    let mut process = serve(&scene, &settings);
    is_waited_for(&mut process, "error sending request").await;
    let doctor = command(&scene, &["doctor"], &settings).await;
    assert_eq!(doctor.code, Some(75), "{}", doctor.stdout);

    proxy.refuse(false);
    scene.settled().await;
    scene.assert_right().await;
    let address = process.http_address().await;
    eventually(DEADLINE, "the process is ready", || async { http_get(address, "/health/ready").await.status == 200 })
        .await;
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0), "{:?}", process.log());
    assert_no_secret(process.log().iter().map(String::as_str));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_provider_whose_certificate_is_not_trusted_is_sent_no_secret_and_named_with_the_setting() {
    let scene = scene().await;
    let secret = secret_file(IdentityProvider::SECRET);
    let door = Door::with_certificate(&servers().0.address(), &certificates().foreign.server).await;
    let mut process = serve(&scene, &settings(secret.path(), &format!("https://{}/token", door.address())));
    is_waited_for(&mut process, "kafka.sasl_oauth_ca names the authorities").await;
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0), "{:?}", process.log());
}

/// Waits until readiness names the identity provider's outage with this reason; the process goes on.
async fn is_waited_for(process: &mut Segmenter, reason: &str) {
    let address = process.http_address().await;
    eventually(DEADLINE, "readiness names the identity provider", || async {
        let ready = http_get(address, "/health/ready").await;
        let named = ready.body.contains("the identity provider is unavailable") && ready.body.contains(reason);
        ready.status == 503 && named
    })
    .await;
    assert!(process.is_running(), "{:?}", process.log());
}
