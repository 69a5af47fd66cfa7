//! A proxy to the schema registry with faults that a test sets.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::registry::{API, SchemaRegistry, ask};

/// The fault of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// This status, with a page that is not the registry's.
    Status(u16),
    /// No response at all.
    Silence,
    /// The registry's response, delayed by this.
    Late(Duration),
}

/// A listener in front of a real registry. It also resolves GUIDs, which Apicurio does not.
pub struct RegistryGate {
    address: SocketAddr,
    state: Arc<Inner>,
    serving: JoinHandle<()>,
}

struct Inner {
    registry: SocketAddr,
    fault: Mutex<Fault>,
    guids: Mutex<Vec<(String, u32)>>,
    asked: AtomicU64,
    authorizations: Mutex<Vec<Option<String>>>,
}

impl RegistryGate {
    /// A proxy to `registry` without faults.
    pub async fn to(registry: &SchemaRegistry) -> Self {
        let state = Arc::new(Inner {
            registry: registry.address(),
            fault: Mutex::new(Fault::None),
            guids: Mutex::default(),
            asked: AtomicU64::new(0),
            authorizations: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let router = Router::new().fallback(answer).with_state(Arc::clone(&state));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, state, serving }
    }

    /// For the binary's `SCHEMA_REGISTRY_URL`.
    pub fn url(&self) -> String {
        format!("http://{}{API}", self.address)
    }

    /// Sets the fault of the requests from now on.
    pub fn set(&self, fault: Fault) {
        *self.state.fault.lock().expect("no thread panics") = fault;
    }

    /// Maps a GUID to the id of a schema.
    pub fn name(&self, guid: &str, id: u32) {
        self.state.guids.lock().expect("no thread panics").push((guid.to_owned(), id));
    }

    /// The number of requests.
    pub fn asked(&self) -> u64 {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// The credentials of the last request.
    pub fn last_authorization(&self) -> Option<String> {
        self.state.authorizations.lock().expect("no thread panics").last().cloned().flatten()
    }
}

impl Drop for RegistryGate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    State(state): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    state.asked.fetch_add(1, Ordering::SeqCst);
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    state.authorizations.lock().expect("no thread panics").push(authorization);
    let fault = state.fault.lock().expect("no thread panics").clone();
    match fault {
        Fault::None => {}
        Fault::Status(status) => {
            let status = StatusCode::from_u16(status).expect("a status");
            return (status, "<html>a proxy's page</html>").into_response();
        }
        Fault::Silence => return std::future::pending().await,
        Fault::Late(by) => tokio::time::sleep(by).await,
    }
    let path = state.path(&uri.to_string());
    let (status, answer) = ask(state.registry, method, &path, String::from_utf8_lossy(&body).into_owned()).await;
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, "application/json")], answer).into_response()
}

impl Inner {
    /// The path of the request, with a GUID replaced by the schema's id.
    fn path(&self, asked: &str) -> String {
        let guids = self.guids.lock().expect("no thread panics");
        let known = guids.iter().find(|(guid, _)| asked.contains(&format!("/schemas/guids/{guid}")));
        known.map_or_else(|| asked.to_owned(), |(_, id)| format!("{API}/schemas/ids/{id}"))
    }
}
