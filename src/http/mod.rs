//! The HTTP server: the page, health, metrics, the read API. Read-only, with bounded time and strict headers.

mod access;
mod page;
mod problem;
mod routes;
mod segments;
mod server;
mod users;

use std::time::Duration;

pub use access::Access;
pub use routes::{Pages, router};
pub use server::{listen, serve};

/// How long a request may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
