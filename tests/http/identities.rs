//! Tokens and certificates of the HTTP server that are rotated in their files.

use std::path::Path;

use segmenter::config::{Secret, Value as _};
use segmenter::http::{Access, Tls};
use segmenter::identity;

use super::{Served, health_with, served_with};
use crate::scene::DEADLINE;
use crate::support::{certificates, http};

async fn status_with(served: &Served, token: &str) -> u16 {
    let authorization = format!("Bearer {token}");
    http(served.address, "GET", "/v1/users/u/segments", &[("authorization", &authorization)]).await.unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_rotated_in_its_file_is_demanded_from_the_next_request_on() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "one\n").unwrap();
    let token = Secret::parse("one").unwrap().kept_in(file.path());
    let served = served_with(Access::Token(token), None).await;
    // Without a database, an admitted request is answered with 503.
    assert_eq!((status_with(&served, "one").await, status_with(&served, "two").await), (503, 401));
    std::fs::write(file.path(), "two\n").unwrap();
    assert_eq!((status_with(&served, "one").await, status_with(&served, "two").await), (401, 503));
    // No token admits anything while the file is empty.
    std::fs::write(file.path(), "").unwrap();
    let unread = http(served.address, "GET", "/v1/users/u/segments", &[("authorization", "Bearer ")]).await.unwrap();
    assert!(unread.status == 503 && unread.body.contains("the token cannot be read"), "{unread:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_rotated_in_its_files_is_presented_to_the_next_connection() {
    let (ours, folder) = (&certificates().ours, tempfile::tempdir().unwrap());
    let files = [folder.path().join("certificate"), folder.path().join("key")];
    let write = |from: [&Path; 2]| {
        for (from, to) in from.iter().zip(&files) {
            std::fs::copy(from, to).unwrap();
        }
    };
    write([&ours.elsewhere.certificate, &ours.elsewhere.key]);
    let [certificate, key] = files.clone();
    let served = served_with(Access::Closed, Some(Tls::new(certificate, key).unwrap())).await;
    let get = async || {
        // A new client has no connection yet.
        let client = identity::http::client(Some(&ours.ca), DEADLINE).unwrap().build().unwrap();
        client.get(format!("https://localhost:{}/v1/segments", served.address.port())).send().await
    };
    assert!(get().await.is_err(), "the certificate is for another name");
    write([&ours.server.certificate, &ours.server.key]);
    assert_eq!(get().await.unwrap().status(), 503, "without a database it is starting");
    std::fs::write(&files[0], "no certificate").unwrap();
    assert_eq!(get().await.unwrap().status(), 503, "the old certificate is served while the new one cannot be used");
    assert!(http(served.address, "GET", "/health", &[]).await.is_err(), "without TLS nothing is answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_health_asks_a_service_with_a_certificate_over_tls_whatever_its_name() {
    let elsewhere = &certificates().ours.elsewhere;
    let tls = Tls::new(elsewhere.certificate.clone(), elsewhere.key.clone()).unwrap();
    let served = served_with(Access::Closed, Some(tls)).await;
    let environment = [
        ("SEGMENTER_HTTP_ADDR", &*served.address.to_string()),
        ("SEGMENTER_HTTP_CERTIFICATE", elsewhere.certificate.to_str().unwrap()),
        ("SEGMENTER_HTTP_KEY", elsewhere.key.to_str().unwrap()),
    ];
    served.health.set_not_ready("kafka", "topics do not exist: segment-changed");
    assert_eq!(health_with(&environment, &[]).await.0, Some(1));
    served.health.set_ready("kafka");
    assert_eq!(health_with(&environment, &[]).await, (Some(0), "ready".to_owned()));
}
