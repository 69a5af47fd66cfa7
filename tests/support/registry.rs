//! A real schema registry: Apicurio with Confluent's API, in memory.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::ports::free_port;
use super::supervisor::Supervisor;
use super::wait::eventually_blocking;

/// The path of Confluent's API in Apicurio.
pub(super) const API: &str = "/apis/ccompat/v7";

/// A registry: the shared one of the run, or a dedicated one that a test may kill. Stopped when dropped.
pub struct SchemaRegistry {
    port: u16,
    supervisor: Supervisor,
}

/// The registry that all tests share, started on first use. Subjects belong to topics, so tests do not interfere.
pub fn schema_registry() -> &'static SchemaRegistry {
    static SHARED: OnceLock<SchemaRegistry> = OnceLock::new();
    SHARED.get_or_init(SchemaRegistry::start)
}

impl SchemaRegistry {
    /// A dedicated registry.
    pub async fn dedicated() -> Self {
        tokio::task::spawn_blocking(Self::start).await.expect("the registry starts")
    }

    /// For the binary's `SCHEMA_REGISTRY_URL`.
    pub fn url(&self) -> String {
        format!("http://{}{API}", self.address())
    }

    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Kills the registry (SIGKILL). Its data is lost.
    pub fn kill(&self) {
        self.supervisor.stop("KILL");
    }

    /// Starts the registry again after [`Self::kill`], on the same port; returns when it is ready.
    pub fn start_again(&self) {
        self.supervisor.start();
        self.wait_until_ready();
    }

    /// Registers an Avro schema and returns its id.
    pub async fn register(&self, subject: &str, schema: &str) -> u32 {
        self.register_as(subject, &json!({"schema": schema, "schemaType": "AVRO"})).await
    }

    /// [`Self::register`] with a given request.
    pub async fn register_as(&self, subject: &str, request: &Value) -> u32 {
        let (status, answer) = self.ask(Method::POST, &format!("/subjects/{subject}/versions"), request).await;
        assert_eq!(status, 200, "{answer}");
        u32::try_from(answer["id"].as_u64().expect("an id")).expect("a small id")
    }

    /// Sets the compatibility level of an existing subject.
    pub async fn demand(&self, subject: &str, compatibility: &str) {
        let wanted = json!({"compatibility": compatibility});
        let (status, answer) = self.ask(Method::PUT, &format!("/config/{subject}"), &wanted).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// The schema that has this id.
    pub async fn schema(&self, id: u32) -> String {
        let (_, answer) = self.ask(Method::GET, &format!("/schemas/ids/{id}"), &Value::Null).await;
        answer["schema"].as_str().expect("a schema").to_owned()
    }

    /// How many versions a subject has.
    pub async fn versions(&self, subject: &str) -> usize {
        let (status, answer) = self.ask(Method::GET, &format!("/subjects/{subject}/versions"), &Value::Null).await;
        if status == 404 { 0 } else { answer.as_array().expect("a list").len() }
    }

    async fn ask(&self, method: Method, path: &str, request: &Value) -> (u16, Value) {
        let body = if request.is_null() { String::new() } else { request.to_string() };
        let (status, answer) = ask(self.address(), method, &format!("{API}{path}"), body).await;
        (status, serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error} in {answer}")))
    }

    fn start() -> Self {
        let jar = jar();
        let port = free_port();
        let supervisor = Supervisor::new("KILL", |folder| {
            vec![
                "java".into(),
                "-Xmx256m".into(),
                "-XX:TieredStopAtLevel=1".into(),
                "-XX:+UseSerialGC".into(),
                "-Dquarkus.http.host=127.0.0.1".into(),
                format!("-Dquarkus.http.port={port}").into(),
                format!("-Djava.io.tmpdir={}", folder.display()).into(),
                "-jar".into(),
                jar.clone().into(),
            ]
        });
        let registry = Self { port, supervisor };
        registry.supervisor.start();
        registry.wait_until_ready();
        registry
    }

    fn wait_until_ready(&self) {
        let address = self.address();
        eventually_blocking(Duration::from_secs(120), "the schema registry to answer", || {
            assert!(self.supervisor.is_running(), "it ended at its start:\n{}", self.supervisor.log_tail());
            super::http::is_ok(address, &format!("{API}/subjects"))
        });
    }
}

/// Sends a request to a registry; returns status and body of the response.
pub(super) async fn ask(address: SocketAddr, method: Method, path: &str, body: String) -> (u16, String) {
    // The client needs a crypto provider even without TLS; the call fails only where one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().expect("a valid client");
    let request = client.request(method, format!("http://{address}{path}")).body(body);
    let request = request.header("content-type", "application/vnd.schemaregistry.v1+json");
    let answer = request.timeout(Duration::from_secs(30)).send().await.expect("the registry answers");
    let status = answer.status().as_u16();
    (status, answer.text().await.expect("the answer comes whole"))
}

fn jar() -> PathBuf {
    let folder = super::source("target/registry");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
    let runner = entries.map(|entry| entry.path()).find(|path| path.to_string_lossy().ends_with("-runner.jar"));
    runner.unwrap_or_else(|| {
        panic!("the schema registry is missing in {}: `scripts/setup ops` installs it", folder.display())
    })
}
