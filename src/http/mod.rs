//! The HTTP server: health, metrics. Read-only, with bounded time and strict headers.

mod problem;
mod routes;
mod server;

use std::time::Duration;

pub use routes::{Pages, router};
pub use server::{listen, serve};

/// How long a request may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
