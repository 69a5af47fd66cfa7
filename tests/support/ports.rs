//! Free ports for servers.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the kernel's range of ephemeral ports, so that the port of a killed server is still free at its restart.
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

/// A free port of 127.0.0.1, returned only once in this process.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Concurrent test processes start at distant ports.
    let start = std::process::id().wrapping_mul(7919);
    (0..COUNT)
        .map(|_| {
            let step = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            u16::try_from(FIRST + step % COUNT).expect("the range is within u16")
        })
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port")
}
