//! A PostgreSQL proxy that cuts connections at a commit, and delays requests.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use url::Url;

/// Where a connection breaks.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// Before the COMMIT reaches the server.
    BeforeCommit,
    /// After the server has committed, before its response is forwarded.
    AfterCommit,
}

/// The end of a simple query, as the driver sends a commit.
const COMMIT: &[u8] = b"COMMIT\0";

/// A listener that forwards everything, except for the cuts.
pub struct Proxy {
    url: Url,
    cuts: Arc<Mutex<Vec<Cut>>>,
    closed: Arc<AtomicBool>,
    latency: Latency,
}

/// The delay of a client's requests, in ms.
type Latency = Arc<AtomicU64>;

impl Proxy {
    /// A proxy to the server of `database_url`.
    pub fn to(database_url: &str) -> Self {
        let mut url = Url::parse(database_url).expect("a URL");
        let server = (url.host_str().expect("a host").to_owned(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        url.set_host(Some("127.0.0.1")).expect("a host fits");
        url.set_port(Some(listener.local_addr().expect("it is bound").port())).expect("a port fits");
        let (cuts, closed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let latency = Latency::default();
        let (next_cuts, is_closed, its_latency) = (Arc::clone(&cuts), Arc::clone(&closed), Arc::clone(&latency));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if is_closed.load(Ordering::Relaxed) {
                    return;
                }
                // Without a server the client is dropped: it observes the same as without this proxy.
                if let Ok(server) = TcpStream::connect(&server) {
                    connect(client, server, &next_cuts, &its_latency);
                }
            }
        });
        Self { url, cuts, closed, latency }
    }

    /// For the binary's `DATABASE_URL`.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Delays clients' requests by this from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.latency.store(u64::try_from(latency.as_millis()).expect("a short time"), Ordering::SeqCst);
    }

    /// Cuts the connections of the next `times` commits.
    pub fn cut_next(&self, cut: Cut, times: usize) {
        self.cuts.lock().expect("no thread panics").extend(vec![cut; times]);
    }

    /// The number of requested cuts that have not happened yet.
    pub fn cuts_to_come(&self) -> usize {
        self.cuts.lock().expect("no thread panics").len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        let address = (Ipv4Addr::LOCALHOST, self.url.port().unwrap_or_default());
        // Wakes the listener.
        drop(TcpStream::connect(address));
    }
}

fn connect(client: TcpStream, server: TcpStream, cuts: &Arc<Mutex<Vec<Cut>>>, latency: &Latency) {
    let copy = |stream: &TcpStream| stream.try_clone().expect("a socket can be cloned");
    let doomed = Arc::new(AtomicBool::new(false));
    let (to_server, from_server, is_doomed) = (copy(&server), copy(&client), Arc::clone(&doomed));
    let (cuts, latency) = (Arc::clone(cuts), Arc::clone(latency));
    std::thread::spawn(move || {
        pass_on(&client, &to_server, |bytes| {
            delay(&latency);
            let cut = if contains(bytes, COMMIT) { cuts.lock().expect("no thread panics").pop() } else { None };
            doomed.store(matches!(cut, Some(Cut::AfterCommit)), Ordering::SeqCst);
            !matches!(cut, Some(Cut::BeforeCommit))
        });
    });
    // The server's bytes after a doomed COMMIT are the response to it.
    std::thread::spawn(move || pass_on(&server, &from_server, |_| !is_doomed.load(Ordering::SeqCst)));
}

#[expect(clippy::disallowed_methods, reason = "the delay is what is tested")]
fn delay(latency: &Latency) {
    std::thread::sleep(Duration::from_millis(latency.load(Ordering::SeqCst)));
}

/// Copies until an end is closed or `may_pass` is false; then closes both ends.
fn pass_on(mut from: &TcpStream, mut to: &TcpStream, mut may_pass: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !may_pass(&buffer[..count]) || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    for end in [from, to] {
        // It may be closed already.
        let _ = end.shutdown(Shutdown::Both);
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
