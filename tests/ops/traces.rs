//! Traces: from the producer's span through the fold to segment-changed, without delaying the service.

use std::time::{Duration, Instant};

use super::collector::{Collector, Span};
use crate::scene::{DEADLINE, Numbers, Scene, history, onboarding_event, record};
use crate::support::{Door, OwnedRecord, Record, certificates, eventually, http_get};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PRODUCER: &str = "b7ad6b7169203331";

fn traced(user: &str, id: u64, traceparent: &str) -> Record {
    record(user, &onboarding_event(user, id, &mut Numbers(id))).header("traceparent", traceparent)
}

fn named<'s>(spans: &'s [Span], name: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

async fn metric(address: std::net::SocketAddr, outcome: &str) -> f64 {
    let text = http_get(address, "/metrics").await.body;
    let line = format!("segmenter_trace_spans_total{{outcome=\"{outcome}\"}} ");
    text.lines().find_map(|row| row.strip_prefix(&line)).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sampled_record_is_traced_through_the_fold_to_segment_changed_and_no_other() {
    let (scene, collector) = (Scene::new(1).await, Collector::start().await);
    scene.add_users(3).await;
    let unsampled = format!("00-{TRACE}-{PRODUCER}-00");
    scene.kafka.produce(&scene.onboarding, traced("user-0", 1, &format!("00-{TRACE}-{PRODUCER}-01"))).await;
    scene.kafka.produce(&scene.onboarding, traced("user-1", 2, &unsampled)).await;
    scene.kafka.produce(&scene.onboarding, record("user-2", &onboarding_event("user-2", 3, &mut Numbers(3)))).await;
    scene.kafka.produce(&scene.onboarding, traced("unknown", 4, &format!("00-{TRACE}-{PRODUCER}-01"))).await;
    let process =
        scene.serve_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "100")]);
    scene.settled().await;
    let address = process.http_address().await;
    eventually(DEADLINE, "the spans of two records, a batch or two, and a change", || async {
        !named(&collector.spans(), "write batch").is_empty()
            && named(&collector.spans(), &format!("process {}", scene.onboarding)).len() == 2
            && named(&collector.spans(), &format!("send {}", scene.changes)).len() == 1
    })
    .await;
    let spans = collector.spans();
    let folds = named(&spans, &format!("process {}", scene.onboarding));
    let records: Vec<OwnedRecord> = scene.kafka.read_all(&scene.changes).await;
    let carried = |user: &str| {
        records.iter().find(|record| record.key_text() == user).unwrap().header("traceparent").map(str::to_owned)
    };

    let fold = folds.iter().find(|span| span.attributes["segmenter.outcome"] == "applied").unwrap();
    assert_eq!((fold.trace.as_str(), fold.parent.as_str(), fold.is_error), (TRACE, PRODUCER, false));
    assert_eq!(carried("user-0"), Some(format!("00-{TRACE}-{}-01", fold.id)));
    let attribute = |name: &str| fold.attributes[name].as_str();
    assert_eq!((attribute("messaging.system"), attribute("messaging.kafka.offset")), ("kafka", "0"));
    assert_eq!(attribute("messaging.destination.name"), scene.onboarding);
    assert_eq!(fold.resource["service.name"], "segmenter");
    let send = named(&spans, &format!("send {}", scene.changes))[0];
    assert_eq!((send.trace.as_str(), &send.parent), (TRACE, &fold.id));
    assert!(named(&spans, "write batch").iter().any(|batch| fold.links == [batch.id.clone()] && batch.trace != TRACE));
    let refused = folds.iter().find(|span| span.attributes["segmenter.outcome"] == "dead_lettered").unwrap();
    assert!(refused.is_error && refused.trace == TRACE);
    let line = process.log().into_iter().find(|line| line.contains("dead letters written")).expect("it is logged");
    assert!(line.contains(&format!("\"trace_id\":\"{TRACE}\"")), "{line}");

    assert_eq!(carried("user-1"), Some(unsampled));
    assert_eq!(carried("user-2"), None);
    assert!(!format!("{spans:?}").contains("user-0"), "no span names a user");
    assert_eq!(metric(address, "exported").await, collector.spans().len() as f64);
    assert_eq!(metric(address, "dropped").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_spans_are_sent_before_the_process_ends() {
    let (scene, collector) = (Scene::new(1).await, Collector::start().await);
    scene.add_users(1).await;
    scene.kafka.produce(&scene.onboarding, traced("user-0", 1, &format!("00-{TRACE}-{PRODUCER}-01"))).await;
    let mut process = scene
        .serve_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "3600000")]);
    scene.settled().await;
    assert!(collector.spans().is_empty(), "they wait for an hour");
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
    assert_eq!(collector.spans().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_does_not_answer_delays_nothing_and_dropped_spans_are_counted() {
    let (scene, collector) = (Scene::new(2).await, Collector::silent().await);
    scene.add_users(300).await;
    let records = history(300, 3_000, 5).into_iter().enumerate().map(|(number, (_, user, event))| {
        record(&user, &event).header(
            "traceparent",
            format!("00-{TRACE}-{number:016x}-01").replace("-0000000000000000-", "-ffffffffffffffff-"),
        )
    });
    scene.kafka.produce_all(&scene.onboarding, records.collect::<Vec<_>>()).await;
    let mut process = scene.serve_with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16"),
    ]);
    let started = Instant::now();
    scene.settled().await;
    assert!(started.elapsed() < Duration::from_secs(30), "publishing waits for the collector: {:?}", started.elapsed());
    let address = process.http_address().await;
    let dropped = metric(address, "dropped").await;
    assert!(dropped > 1_000.0, "{dropped}");
    assert_eq!(metric(address, "exported").await, 0.0);
    let asked = Instant::now();
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(15), "the shutdown waits for the collector: {:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_for_an_unavailable_collector_are_counted_and_logged_once() {
    for endpoint in ["http://127.0.0.1:9", "https://127.0.0.1:9"] {
        let scene = Scene::new(1).await;
        scene.add_users(1).await;
        let process = scene.serve_with(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
        ]);
        let address = process.http_address().await;
        scene.kafka.produce(&scene.onboarding, traced("user-0", 1, &format!("00-{TRACE}-{PRODUCER}-01"))).await;
        scene.settled().await;
        eventually(DEADLINE, "all spans have failed", || async { metric(address, "failed").await == 3.0 }).await;
        let count = process
            .log()
            .into_iter()
            .filter(|line| line.contains("traces are lost: the collector does not accept them"))
            .count();
        assert_eq!(count, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_behind_https_is_trusted_by_its_authority() {
    let (scene, collector) = (Scene::new(1).await, Collector::start().await);
    let door = Door::with_certificate(&collector.address, &certificates().ours.server).await;
    scene.add_users(1).await;
    scene.kafka.produce(&scene.onboarding, traced("user-0", 1, &format!("00-{TRACE}-{PRODUCER}-01"))).await;
    let _process = scene.serve_with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("https://{}", door.address())),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", &certificates().ours.ca.display().to_string()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ]);
    scene.settled().await;
    eventually(DEADLINE, "all spans have come", || async { collector.spans().len() == 3 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_with_a_certificate_of_another_authority_is_logged_once_and_delays_nothing() {
    let (scene, collector) = (Scene::new(2).await, Collector::start().await);
    let door = Door::with_certificate(&collector.address, &certificates().foreign.server).await;
    scene.add_users(100).await;
    let traceparent = format!("00-{TRACE}-{PRODUCER}-01");
    let records = history(100, 1_000, 6).into_iter();
    let records = records.map(|(_, user, event)| record(&user, &event).header("traceparent", traceparent.clone()));
    scene.kafka.produce_all(&scene.onboarding, records.collect::<Vec<_>>()).await;
    let started = Instant::now();
    let mut process = scene.serve_with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("https://{}", door.address())),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", &certificates().ours.ca.display().to_string()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ]);
    scene.settled().await;
    assert!(started.elapsed() < Duration::from_secs(30), "publishing waits for the collector: {:?}", started.elapsed());
    scene.assert_right().await;
    let address = process.http_address().await;
    eventually(DEADLINE, "spans have failed", || async { metric(address, "failed").await > 100.0 }).await;
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
    let log = process.log();
    let lines: Vec<&String> =
        log.iter().filter(|line| line.contains("traces are lost: the collector does not accept them")).collect();
    assert!(lines.len() == 1 && lines[0].contains("invalid peer certificate"), "{lines:?}");
    assert!(collector.spans().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_of_traces_that_cannot_be_used_are_a_wrong_configuration_and_all_are_named() {
    let scene = Scene::new(1).await;
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no-such-file"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
    ];
    let ended = scene.serve_with(&environment).finish(DEADLINE).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.log.contains("only http/protobuf is supported"), "{ended:?}");
    assert!(environment[1..].iter().all(|(name, _)| ended.log.contains(name)), "{ended:?}");
}
