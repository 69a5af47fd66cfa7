//! How the service identifies itself to the registry: bearer tokens, tokens of an identity provider, a client's certificate.

use std::time::Duration;

use crate::avro::ONBOARDING;
use crate::scene::{DEADLINE, Numbers, Scene, onboarding_event};
use crate::support::{
    Door, Fault, IdentityProvider, Record, RegistryGate, certificates, eventually, schema_registry, segmenter,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_token_that_is_rotated_in_its_file_goes_with_the_next_request_and_into_no_log() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    let (gate, id) = super::refusing(&scene).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hush-one\n").unwrap();
    let process = scene.serve_with(&[
        ("SCHEMA_REGISTRY_URL", &gate.url()),
        ("SCHEMA_REGISTRY_TOKEN_FILE", file.path().to_str().unwrap()),
    ]);
    let event = onboarding_event("user-0", 1, &mut Numbers(5));
    scene.kafka.produce(&scene.onboarding, Record::new("user-0", super::framed(id, ONBOARDING, &event))).await;
    process.wait_for_log("the schema registry is unavailable").await;
    assert_eq!(gate.last_authorization().as_deref(), Some("Bearer hush-one"));
    std::fs::write(file.path(), "hush-two\n").unwrap();
    eventually(DEADLINE, "the rotated token is sent", || async {
        gate.last_authorization().as_deref() == Some("Bearer hush-two")
    })
    .await;
    gate.set(Fault::None);
    scene.settled().await;
    assert!(scene.dead_letters().await.is_empty());
    assert!(!process.log().iter().any(|line| line.contains("hush")));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_an_identity_provider_are_sent_to_the_registry_and_a_refusal_is_named() {
    let start = || IdentityProvider::start(Duration::from_secs(60));
    let provider = tokio::task::spawn_blocking(start).await.unwrap();
    let gate = RegistryGate::to(schema_registry()).await;
    let (registry, token_url) = (gate.url(), provider.token_url());
    let settings = |secret| {
        [
            ("SCHEMA_REGISTRY_URL", registry.as_str()),
            ("SCHEMA_REGISTRY_USERNAME", IdentityProvider::CLIENT),
            ("SCHEMA_REGISTRY_PASSWORD", secret),
            ("SCHEMA_REGISTRY_OAUTH_TOKEN_URL", token_url.as_str()),
            ("SCHEMA_REGISTRY_OAUTH_SCOPE", "registry"),
        ]
    };
    let checked = segmenter(&["schema", "check"], &settings(IdentityProvider::SECRET)).finish(DEADLINE).await;
    assert_ne!(checked.code, Some(75), "{}", checked.log);
    let sent = gate.last_authorization().unwrap();
    assert!(sent.starts_with("Bearer eyJ") && sent.matches('.').count() == 2, "a JWT, not {sent}");
    assert_eq!(provider.given(), 1);
    assert!(!checked.log.contains("eyJ") && !checked.log.contains(IdentityProvider::SECRET), "{}", checked.log);

    let asked = gate.asked();
    let refused = segmenter(&["schema", "check"], &settings("wrong-secret")).finish(DEADLINE).await;
    assert_eq!(refused.code, Some(75), "{}", refused.log);
    assert!(refused.log.contains("the identity provider refuses this client: invalid_client"), "{}", refused.log);
    assert_eq!(gate.asked(), asked, "without a token the registry is not asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_demands_a_clients_certificate_is_given_one() {
    let ours = &certificates().ours;
    let address = schema_registry().address();
    let door = Door::with_clients_of(&address.to_string(), ours).await;
    let url = schema_registry().url().replacen(&format!("http://{address}"), &format!("https://{}", door.address()), 1);
    let path = |path: &std::path::Path| path.display().to_string();
    let with_ca = [("SCHEMA_REGISTRY_URL", url), ("SCHEMA_REGISTRY_CA", path(&ours.ca))];
    let with_client = [
        ("SCHEMA_REGISTRY_CERTIFICATE", path(&ours.client.certificate)),
        ("SCHEMA_REGISTRY_KEY", path(&ours.client.key)),
    ];
    let check = async |settings: Vec<&(&'static str, String)>| {
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        segmenter(&["schema", "check"], &settings).finish(DEADLINE).await
    };
    let without = check(with_ca.iter().collect()).await;
    assert_eq!(without.code, Some(75), "{}", without.log);
    let with = check(with_ca.iter().chain(&with_client).collect()).await;
    assert_ne!(with.code, Some(75), "{}", with.log);
}
