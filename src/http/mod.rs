//! The HTTP server: health, metrics. Read-only, with bounded time and strict headers.

mod problem;
mod routes;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tracing::info;

use crate::stop::Stop;

pub use routes::{Pages, router};

/// How long a request may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens the port and says which one it is.
///
/// # Errors
/// The address cannot be listened on.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("could not listen on {address}"))?;
    let address = listener.local_addr().context("could not learn the address listened on")?;
    info!(%address, "http listening");
    Ok(listener)
}

/// Serves until everything else has ended, so that a stop can be watched.
///
/// # Errors
/// The server failed.
pub async fn serve(listener: TcpListener, pages: Pages, stop: Stop) -> anyhow::Result<()> {
    axum::serve(listener, router(pages))
        .with_graceful_shutdown(async move { stop.abandoned().await })
        .await
        .context("the HTTP server failed")
}
