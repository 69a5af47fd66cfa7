//! Produces as the platform's own services do.

use std::io::Write;
use std::process::{Command, Stdio};

use super::source;

/// Produces `lines` with KafkaJS, gzip-compressed, partitioned by its default partitioner; `tests/kafkajs/producer.mjs` documents
/// the format of a line. Panics unless the broker acknowledges all of them.
pub async fn kafkajs_produce(brokers: &str, lines: &[serde_json::Value]) {
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let (brokers, count) = (brokers.to_owned(), lines.len());
    tokio::task::spawn_blocking(move || produce(&brokers, &input, count)).await.expect("KafkaJS produces");
}

fn produce(brokers: &str, input: &str, count: usize) {
    let folder = source("target/kafkajs");
    assert!(folder.join("node_modules/kafkajs").is_dir(), "KafkaJS is missing: `make setup` installs it");
    let mut node = Command::new("node")
        .arg("--input-type=module")
        .args(["--eval", include_str!("../kafkajs/producer.mjs"), brokers])
        // Modules are looked up from here, so that nothing is installed into the source tree.
        .current_dir(folder)
        .env("KAFKAJS_NO_PARTITIONER_WARNING", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node starts");
    let mut stdin = node.stdin.take().expect("stdin is piped");
    // It reads all input before it writes: this cannot block for ever. If it died, its output has the reason.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = node.wait_with_output().expect("node can be waited for");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "KafkaJS failed: {stderr}");
    assert_eq!(stdout.trim(), count.to_string(), "KafkaJS produced fewer: {stderr}");
}
