//! Produces as the platform's own services do, and leads a group as another program may.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::source;

/// Produces `lines` with KafkaJS, gzip-compressed, partitioned by its default partitioner; `tests/kafkajs/producer.mjs` documents
/// the format of a line. Panics unless the broker acknowledges all of them.
pub async fn kafkajs_produce(brokers: &str, lines: &[serde_json::Value]) {
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let (brokers, count) = (brokers.to_owned(), lines.len());
    tokio::task::spawn_blocking(move || produce(&brokers, &input, count)).await.expect("KafkaJS produces");
}

/// A KafkaJS consumer that leads a group; it ends when it is dropped.
pub struct KafkaJsLeader(Child);

/// Starts a leader of `group` that assigns partition 0 of `topic`, and a topic whose name is not UTF-8, to every other member.
/// Returns once it leads.
pub async fn kafkajs_leader(brokers: &str, group: &str, topic: &str) -> KafkaJsLeader {
    let arguments = [brokers, group, topic].map(str::to_owned);
    let start = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut leader = KafkaJsLeader(node(include_str!("../kafkajs/leader.mjs"), &arguments));
        let stdout = BufReader::new(leader.0.stdout.take().expect("stdout is piped"));
        let line = stdout.lines().next().expect("it joins").expect("a line");
        assert_eq!(line, "leader");
        leader
    };
    tokio::task::spawn_blocking(start).await.expect("KafkaJS leads the group")
}

impl Drop for KafkaJsLeader {
    fn drop(&mut self) {
        // Best effort: it may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn node(script: &str, arguments: &[&str]) -> Child {
    let folder = source("target/kafkajs");
    assert!(folder.join("node_modules/kafkajs").is_dir(), "KafkaJS is missing: `make setup` installs it");
    Command::new("node")
        .args(["--input-type=module", "--eval", script])
        .args(arguments)
        // Modules are looked up from here, so that nothing is installed into the source tree.
        .current_dir(folder)
        .env("KAFKAJS_NO_PARTITIONER_WARNING", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node starts")
}

fn produce(brokers: &str, input: &str, count: usize) {
    let mut node = node(include_str!("../kafkajs/producer.mjs"), &[brokers]);
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
