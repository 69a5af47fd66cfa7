//! PostgreSQL with TLS: `verify-full` with the right authority, a wrong one, a wrong name, a client's certificate, and a server
//! without TLS.

use std::path::Path;

use url::Url;

use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Finished, Postgres, Signed, certificates, postgres, segmenter};
use crate::world::migrate;

/// The database's address under the name of its certificate.
fn verified(url: &str, authority: &Path) -> String {
    let mut url = Url::parse(url).unwrap();
    url.set_host(Some("localhost")).unwrap();
    url.query_pairs_mut().append_pair("sslmode", "verify-full").append_pair("sslrootcert", authority.to_str().unwrap());
    url.into()
}

async fn serve(scene: &Scene, url: &str) -> Finished {
    scene.serve_with(&[("DATABASE_URL", url)]).finish(DEADLINE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_verify_full_and_the_right_authority_every_session_is_encrypted() {
    let server = Postgres::with_tls(&certificates().ours.server).await;
    let mut scene = Scene::new(1).await;
    scene.database = server.upstream_after_ia().await;
    migrate(&scene.database).await;
    scene.add_users(5).await;
    let url = verified(scene.database.url(), &certificates().ours.ca);
    let process = scene.serve_with(&[("DATABASE_URL", &url)]);
    scene.produce(&history(5, 30, 81)).await;
    scene.settled().await;
    scene.assert_right().await;
    let sessions: Vec<bool> = sqlx::query_scalar(
        "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'segmenter'",
    )
    .fetch_all(scene.database.pool())
    .await
    .unwrap();
    assert!(!sessions.is_empty() && sessions.iter().all(|is_encrypted| *is_encrypted), "{sessions:?}");
    drop(process);

    // The same server, and an authority that has not signed its certificate.
    let url = verified(scene.database.url(), &certificates().foreign.ca);
    let finished = serve(&scene, &url).await;
    assert_eq!(finished.code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("invalid peer certificate"), "{}", finished.log);
    assert!(!finished.log.contains(crate::support::POSTGRES_PASSWORD), "{}", finished.log);
    let info = segmenter(&["migrate", "info"], &[("DATABASE_URL", url.as_str())]).finish(DEADLINE).await;
    assert_eq!(info.code, Some(1), "{}{}", info.stdout, info.log);
    assert!(info.stdout.contains("invalid peer certificate"), "{}", info.stdout);
}

/// A trusted authority alone is not enough: any holder of one of its certificates could impersonate the server.
#[tokio::test(flavor = "multi_thread")]
async fn with_verify_full_a_certificate_for_another_name_ends_the_process_with_what_is_wrong() {
    let server = Postgres::with_tls(&certificates().ours.elsewhere).await;
    let scene = Scene::new(1).await;
    let database = server.upstream_after_ia().await;
    migrate(&database).await;
    let url = verified(database.url(), &certificates().ours.ca);
    let finished = serve(&scene, &url).await;
    assert_eq!(finished.code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("invalid peer certificate"), "{}", finished.log);
    assert!(finished.log.contains("broker.example"), "{}", finished.log);
    // Without the check of the name the connection works.
    let lenient = url.replace("verify-full", "verify-ca");
    let info = segmenter(&["migrate", "info"], &[("DATABASE_URL", lenient.as_str())]).finish(DEADLINE).await;
    assert_eq!(info.code, Some(0), "{}{}", info.stdout, info.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused_where_tls_is_required() {
    let scene = Scene::new(1).await;
    let database = postgres().upstream_after_ia().await;
    let finished = serve(&scene, &verified(database.url(), &certificates().ours.ca)).await;
    assert_eq!(finished.code, Some(1), "{}", finished.log);
    assert!(finished.log.to_lowercase().contains("tls"), "{}", finished.log);
}

/// The URL for the role of the client's certificate, which has no password.
fn with_certificate(url: &str, client: &Signed) -> String {
    let mut url = Url::parse(&verified(url, &certificates().ours.ca)).unwrap();
    url.set_username("segmenter").unwrap();
    url.set_password(None).unwrap();
    let files = [("sslcert", &client.certificate), ("sslkey", &client.key)];
    url.query_pairs_mut().extend_pairs(files.map(|(name, path)| (name, path.to_str().unwrap())));
    url.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_a_password_logs_in_with_its_certificate_and_with_no_other() {
    let server = Postgres::with_certificates_of(&certificates().ours).await;
    let mut scene = Scene::new(1).await;
    scene.database = server.upstream_after_ia().await;
    migrate(&scene.database).await;
    scene.database.run("create role segmenter login in role pg_read_all_data, pg_write_all_data").await;
    scene.add_users(5).await;
    let url = with_certificate(scene.database.url(), &certificates().ours.client);
    let process = scene.serve_with(&[("DATABASE_URL", &url)]);
    scene.produce(&history(5, 30, 82)).await;
    scene.settled().await;
    scene.assert_right().await;
    drop(process);

    let mut environment = scene.environment();
    environment.push(("DATABASE_URL", &url));
    let doctor = segmenter(&["doctor", "--json"], &environment).finish(DEADLINE).await;
    assert!(doctor.stdout.contains("role segmenter with the client certificate /CN=segmenter"), "{}", doctor.stdout);

    for client in [&certificates().foreign.client, &certificates().ours.server] {
        let finished = serve(&scene, &with_certificate(scene.database.url(), client)).await;
        assert_eq!(finished.code, Some(1), "{}", finished.log);
    }
}
