//! A minimal OpenTelemetry collector: receives spans over HTTP and decodes them field by field
//! (<https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto>).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A received span.
#[derive(Debug, Clone, Default)]
pub struct Span {
    pub trace: String,
    pub id: String,
    /// Empty for a root.
    pub parent: String,
    pub name: String,
    /// Numbers are written in decimal.
    pub attributes: BTreeMap<String, String>,
    /// The span ids that it links to.
    pub links: Vec<String>,
    pub is_error: bool,
    /// The sender's resource attributes.
    pub resource: BTreeMap<String, String>,
}

/// A collector on a free port; stopped when dropped.
pub struct Collector {
    pub address: String,
    pub endpoint: String,
    spans: Arc<Mutex<Vec<Span>>>,
    serving: JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Collector {
    pub async fn start() -> Self {
        let spans: Arc<Mutex<Vec<Span>>> = Arc::default();
        let to = Arc::clone(&spans);
        let take = move |body: Bytes| async move { to.lock().unwrap().extend(spans_in(&body)) };
        Self::serve(Router::new().route("/v1/traces", post(take)), spans).await
    }

    /// A collector that accepts requests and never answers.
    pub async fn silent() -> Self {
        let router = Router::new().route("/v1/traces", post(std::future::pending::<()>));
        Self::serve(router, Arc::default()).await
    }

    async fn serve(router: Router, spans: Arc<Mutex<Vec<Span>>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let endpoint = format!("http://{address}");
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, endpoint, spans, serving }
    }

    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

/// A field of a message: bytes for strings and messages, else a number.
enum Field<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

impl<'b> Field<'b> {
    fn bytes(self) -> &'b [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(number) => panic!("{number} where bytes are expected"),
        }
    }

    fn text(self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }

    fn hex(self) -> String {
        self.bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a number has an end");
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

/// The fields of a message, with their numbers (<https://protobuf.dev/programming-guides/encoding/>).
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let length = match tag & 7 {
            0 => {
                fields.push((tag >> 3, Field::Number(varint(&mut bytes))));
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)).unwrap(),
            5 => 4,
            kind => panic!("wire type {kind}"),
        };
        let (value, rest) = bytes.split_at(length);
        fields.push((tag >> 3, Field::Bytes(value)));
        bytes = rest;
    }
    fields
}

/// A `KeyValue`.
fn attribute(bytes: &[u8]) -> (String, String) {
    let (mut key, mut value) = (String::new(), String::new());
    for (number, field) in fields(bytes) {
        match number {
            1 => key = field.text(),
            _ => {
                for (_, any) in fields(field.bytes()) {
                    value = match any {
                        Field::Number(number) => number.to_string(),
                        text => text.text(),
                    };
                }
            }
        }
    }
    (key, value)
}

/// The spans of an `ExportTraceServiceRequest`.
fn spans_in(request: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for (_, of_resource) in fields(request) {
        let (mut resource, mut found) = (BTreeMap::new(), Vec::new());
        for (number, field) in fields(of_resource.bytes()) {
            let inner = fields(field.bytes()).into_iter();
            match number {
                1 => {
                    resource.extend(inner.filter(|(number, _)| *number == 1).map(|(_, field)| attribute(field.bytes())))
                }
                2 => found.extend(inner.filter(|(number, _)| *number == 2).map(|(_, field)| span(field.bytes()))),
                _ => {}
            }
        }
        spans.extend(found.into_iter().map(|span| Span { resource: resource.clone(), ..span }));
    }
    spans
}

fn span(bytes: &[u8]) -> Span {
    let mut span = Span::default();
    for (number, field) in fields(bytes) {
        match number {
            1 => span.trace = field.hex(),
            2 => span.id = field.hex(),
            4 => span.parent = field.hex(),
            5 => span.name = field.text(),
            9 => span.attributes.extend([attribute(field.bytes())]),
            13 => span.links.extend(fields(field.bytes()).into_iter().filter(|(n, _)| *n == 2).map(|(_, f)| f.hex())),
            15 => span.is_error = fields(field.bytes()).iter().any(|(n, f)| *n == 3 && matches!(f, Field::Number(2))),
            _ => {}
        }
    }
    span
}
