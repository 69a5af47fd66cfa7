//! The HTTP client of the exporter. It keeps why a request failed, of which the exporter says only that the network did.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, anyhow};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::blocking::Client as Http;

use super::variables::Asked;

/// The client. Cheap to clone; all clones share the last failure.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: Http,
    failure: Arc<Mutex<Option<String>>>,
}

impl Client {
    /// # Errors
    /// The system's authorities cannot be read, say.
    pub fn new(asked: &Asked) -> anyhow::Result<Self> {
        // For a collector behind https; one that is installed already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Http::builder().timeout(asked.timeout);
        if let Some(authorities) = &asked.authorities {
            builder = builder.tls_certs_only(authorities.clone());
        }
        // It may not be made on a thread of the asynchronous runtime.
        let made = thread::spawn(|| builder.build()).join().map_err(|_| anyhow!("making it panicked"));
        let http = made.and_then(|built| built.map_err(Into::into)).context("no HTTP client for the collector")?;
        Ok(Self { http, failure: Arc::default() })
    }

    /// Why the last request that failed did so, if that was not told before.
    pub fn take_failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What an asynchronous method of a trait gives.
type Sending<'s> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 's>>;

impl HttpClient for Client {
    fn send_bytes<'client, 'sending>(&'client self, request: Request<Bytes>) -> Sending<'sending>
    where
        'client: 'sending,
        Self: 'sending,
    {
        Box::pin(async move {
            let sent = self.http.send_bytes(request).await;
            if let Err(error) = &sent {
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(innermost(&**error));
            }
            sent
        })
    }
}

/// What caused the error in the end says the most, and has no address in it.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
