//! The registry with TLS.

use segmenter::domain::event::Kind;

use super::{event_of, framed, waits_for_the_registry};
use crate::avro::ONBOARDING;
use crate::scene::{DEADLINE, Numbers, Scene, onboarding_event};
use crate::support::{Door, Record, certificates, http_get, schema_registry, segmenter};
use crate::world::assert_table_equals_oracle;

/// The address of the registry behind this door.
fn behind(door: &Door) -> String {
    schema_registry().url().replacen("http://127.0.0.1", "https://localhost", 1).replacen(
        &schema_registry().address().port().to_string(),
        &door.port().to_string(),
        1,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_behind_https_is_trusted_by_its_authority() {
    let (registry, scene) = (schema_registry(), Scene::new(1).await);
    scene.add_users(1).await;
    let door = Door::with_certificate(&registry.address().to_string(), &certificates().ours.server).await;
    let id = registry.register(&format!("{}-value", scene.onboarding), ONBOARDING).await;
    let event = onboarding_event("user-0", 1, &mut Numbers(3));
    scene.kafka.produce(&scene.onboarding, Record::new("user-0", framed(id, ONBOARDING, &event))).await;
    let _process = scene.serve_with(&[
        ("SCHEMA_REGISTRY_URL", &behind(&door)),
        ("SCHEMA_REGISTRY_CA", &certificates().ours.ca.display().to_string()),
        ("SEGMENTER_TOPICS_SEGMENT_CHANGED_ENCODING", "avro"),
    ]);
    scene.settled().await;
    assert_table_equals_oracle(scene.database.pool(), [&event_of(Kind::OnboardingCompleted, &event)]).await;
    assert!(scene.dead_letters().await.is_empty());
    assert_eq!(registry.versions(&format!("{}-value", scene.changes)).await, 1);
    assert!(door.connections() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registrys_certificate_that_is_not_trusted_is_waited_out_and_named_with_the_setting() {
    let (registry, address) = (schema_registry(), schema_registry().address().to_string());
    let cases = [
        (&certificates().foreign.server, "invalid peer certificate"),
        (&certificates().ours.elsewhere, "certificate not valid for name \"localhost\""),
    ];
    for (certificate, reason) in cases {
        let scene = Scene::new(1).await;
        scene.add_users(1).await;
        let door = Door::with_certificate(&address, certificate).await;
        let ca = certificates().ours.ca.display().to_string();
        let settings = [("SCHEMA_REGISTRY_URL", behind(&door)), ("SCHEMA_REGISTRY_CA", ca)];
        let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));

        let id = registry.register(&format!("{}-value", scene.onboarding), ONBOARDING).await;
        let event = onboarding_event("user-0", 1, &mut Numbers(4));
        scene.kafka.produce(&scene.onboarding, Record::new("user-0", framed(id, ONBOARDING, &event))).await;
        let process = scene.serve_with(&settings);
        waits_for_the_registry(&process).await;
        let ready = http_get(process.http_address().await, "/health/ready").await.body;
        assert!(ready.contains("invalid peer certificate") && ready.contains("registry.ca"), "{ready}");
        let line = process.wait_for_log("the schema registry is unavailable").await;
        assert!(line.replace('\\', "").contains(reason), "{line}");
        assert!(scene.dead_letters().await.is_empty());

        let checked = segmenter(&["schema", "check"], &settings).finish(DEADLINE).await;
        assert_eq!(checked.code, Some(75), "{}", checked.log);
        assert!(checked.log.contains(reason) && checked.log.contains("registry.ca"), "{}", checked.log);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_authorities_that_cannot_be_used_ends_the_start_with_its_name() {
    let (file, scene) = (tempfile::NamedTempFile::new().unwrap(), Scene::new(1).await);
    for (path, code) in [("/no-such-file", 2), (file.path().to_str().unwrap(), 1)] {
        let settings = [("SCHEMA_REGISTRY_URL", "https://localhost:1"), ("SCHEMA_REGISTRY_CA", path)];
        let ended = scene.serve_with(&settings).finish(DEADLINE).await;
        assert!(ended.code == Some(code) && ended.log.contains("registry.ca"), "{ended:?}");
    }
}
