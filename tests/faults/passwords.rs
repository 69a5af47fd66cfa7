//! The password of the database is rotated while the service runs.

use std::sync::Arc;
use std::time::Duration;

use segmenter::ingest::outbox_gate::Gate;
use segmenter::runtime::health::Health;
use segmenter::runtime::stop::{Stop, StopReason};
use segmenter::store::connect::Connect;
use segmenter::store::sql::Pool;
use segmenter::telemetry::metrics::Metrics;
use url::Url;

use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Database, eventually, http_get};
use crate::world::{connect_as, migrated_database};

const GROUPS: &str = "pg_read_all_data, pg_write_all_data";

/// A login with a random name, since logins belong to the whole server; and the database's URL for it.
async fn login(database: &Database, password: &str) -> (String, Url) {
    let name = format!("rotated_{}", uuid::Uuid::new_v4().simple());
    database.run(format!("create role {name} login password '{password}'; grant {GROUPS} to {name}")).await;
    let mut url = Url::parse(database.url()).unwrap();
    url.set_username(&name).unwrap();
    url.set_password(Some(password)).unwrap();
    (name, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_rotated_in_the_database_and_then_in_its_file_needs_no_restart() {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    let (name, mut url) = login(&scene.database, "old").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    std::fs::write(&file, url.as_str()).unwrap();
    let mut process = scene.serve_with(&[("DATABASE_URL", ""), ("DATABASE_URL_FILE", file.to_str().unwrap())]);
    scene.produce(&history(20, 50, 1)).await;
    scene.settled().await;

    let ends = format!("select pg_terminate_backend(pid) from pg_stat_activity where usename = '{name}'");
    scene.database.run(format!("alter role {name} password 'new'; {ends}")).await;
    let address = process.http_address().await;
    eventually(DEADLINE, "readiness names the refused password", || async {
        let ready = http_get(address, "/health/ready").await;
        ready.status == 503 && ready.body.contains("refuses the password")
    })
    .await;
    scene.produce(&history(20, 50, 2)).await;
    assert_eq!(http_get(address, "/health/live").await.status, 200);

    url.set_password(Some("new")).unwrap();
    std::fs::write(&file, url.as_str()).unwrap();
    eventually(DEADLINE, "the process is ready", || async { http_get(address, "/health/ready").await.status == 200 })
        .await;
    scene.settled().await;
    scene.assert_right().await;
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
    assert!(process.log().iter().all(|line| !line.contains("postgres://")), "no log holds the password");
    scene.database.run(format!("{ends}; drop role {name}")).await;
}

#[tokio::test]
async fn a_password_that_stays_refused_ends_the_process_with_exit_code_1_and_one_that_is_accepted_again_does_not() {
    let database = migrated_database().await;
    let (name, mut url) = login(&database, "old").await;
    url.set_password(Some("new")).unwrap();
    let pool = Pool::new(Connect { url: url.as_str().parse().unwrap(), ..connect_as(database.pool()) });
    let watch = |longest_refusal| {
        let (health, stop) = (Health::default(), Stop::default());
        let gate = Gate { max_rows: 1, full: Arc::default(), longest_refusal };
        tokio::spawn(gate.watch(pool.clone(), Metrics::new().unwrap(), health.clone(), stop.clone()));
        (health, stop)
    };
    let (health, patient) = watch(Duration::from_secs(300));
    let (_, impatient) = watch(Duration::from_secs(3));
    tokio::time::timeout(DEADLINE, impatient.requested()).await.unwrap();
    let reason = impatient.reason().unwrap();
    assert!(matches!(reason, StopReason::Failure(why) if why.contains("has refused the password")), "{reason:?}");
    assert_eq!(reason.exit() as u8, 1);

    database.run(format!("alter role {name} password 'new'")).await;
    eventually(DEADLINE, "the database is ready", || async { health.report().ready }).await;
    assert_eq!(patient.reason(), None);
    database.run(format!("drop owned by {name}; drop role {name}")).await;
}
