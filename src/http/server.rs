//! Accepts connections and serves each until it ends or the process does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::tls::Tls;
use crate::runtime::stop::Stop;

/// How long a client may take for the head of a request, the first as well as a later one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Connections served at once; further ones wait in the system's queue.
const MAX_CONNECTIONS: usize = 128;

/// The longest life of a connection: a client that reads its answer too slowly must free its place.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(120);

/// How long open requests may take once the process stops.
const GRACE: Duration = Duration::from_secs(5);

/// The pause after a failed accept; the cause is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Opens the port and logs the address.
///
/// # Errors
/// The address cannot be listened on.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("could not listen on {address}"))?;
    let address = listener.local_addr().context("could not determine the listen address")?;
    tracing::info!(%address, "http listening");
    Ok(listener)
}

/// Serves `router`, over TLS where there is a certificate, until everything else has ended, so that a stop can be observed;
/// open requests are answered, or cut off after a grace period.
pub async fn serve(listener: TcpListener, tls: Option<Tls>, router: Router, stop: Stop) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stop.abandoned() => break,
        };
        match accepted {
            Ok((stream, place)) => {
                connections.spawn(serve_connection(stream, tls.clone(), place, router.clone(), stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "http connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let finished = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        tracing::warn!(connections = connections.len(), "http connections cut off");
    }
}

/// The next connection, once a place is free.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// Holds `place` for as long as the connection is served.
async fn serve_connection(
    stream: TcpStream,
    tls: Option<Tls>,
    _place: OwnedSemaphorePermit,
    router: Router,
    stop: Stop,
) {
    let Some(tls) = tls else { return serve_requests(stream, router, stop).await };
    match tokio::time::timeout(HEAD_TIMEOUT, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => serve_requests(stream, router, stop).await,
        Ok(Err(error)) => tracing::debug!(%error, "no TLS with an http client"),
        Err(_) => tracing::debug!("an http client takes too long for its handshake"),
    }
}

async fn serve_requests(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router, stop: Stop) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let lifetime = tokio::time::sleep(CONNECTION_LIFETIME);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = lifetime => Ok(()),
        () = stop.abandoned() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "http connection ended");
    }
}
