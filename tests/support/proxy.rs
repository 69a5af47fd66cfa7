//! A proxy in front of a server: a fixed address that cuts, delays and swallows, and that can lead to another server.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
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

/// Which of the open connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    All,
    /// Every second one.
    Half,
}

/// The end of a simple query, as the driver sends a commit.
const COMMIT: &[u8] = b"COMMIT\0";

/// A listener that forwards everything, except for the faults that a test sets.
pub struct Proxy {
    url: Url,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// `host:port` of the server of new connections.
    server: Mutex<String>,
    connections: Mutex<Vec<Weak<Connection>>>,
    cuts: Mutex<Vec<Cut>>,
    /// The delay of a client's requests, in ms.
    latency: AtomicU64,
    swallows: Mutex<bool>,
    swallowing_ended: Condvar,
    refuses: AtomicBool,
    is_closed: AtomicBool,
}

struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// The server's bytes are the response to a COMMIT whose connection is to be cut.
    is_doomed: AtomicBool,
    /// Nothing passes any more.
    is_lost: AtomicBool,
}

impl Proxy {
    /// A proxy to the server of `url`: a database's URL, or any other with a host and a port.
    pub fn to(url: &str) -> Self {
        let mut url = Url::parse(url).expect("a URL");
        let state = Arc::new(State { server: Mutex::new(address(&url)), ..State::default() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        url.set_host(Some("127.0.0.1")).expect("a host fits");
        url.set_port(Some(listener.local_addr().expect("it is bound").port())).expect("a port fits");
        let its_state = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if its_state.is_closed.load(Ordering::SeqCst) {
                    return;
                }
                its_state.accept(client);
            }
        });
        Self { url, state }
    }

    /// For the binary's `DATABASE_URL`.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The proxy's own `host:port`.
    pub fn address(&self) -> String {
        address(&self.url)
    }

    /// Leads new connections to the server of `url`; the open ones stay where they are.
    pub fn switch(&self, url: &str) {
        *self.state.server.lock().expect("no thread panics") = address(&Url::parse(url).expect("a URL"));
    }

    /// Closes open connections.
    pub fn cut(&self, which: Connections) {
        let step = if which == Connections::All { 1 } else { 2 };
        self.state.open_connections().iter().step_by(step).for_each(|connection| connection.close());
    }

    /// While true, new connections are closed at once, as by a host without this server.
    pub fn refuse(&self, refuses: bool) {
        self.state.refuses.store(refuses, Ordering::SeqCst);
    }

    /// While true, connections stay open and nothing passes in either direction, as in a network that drops packets: what was
    /// sent meanwhile, closing included, arrives afterwards.
    pub fn swallow(&self, swallows: bool) {
        *self.state.swallows.lock().expect("no thread panics") = swallows;
        self.state.swallowing_ended.notify_all();
    }

    /// The open connections pass nothing from now on and stay open, as behind a router that has forgotten them; new ones pass.
    pub fn lose_connections(&self) {
        self.state.open_connections().iter().for_each(|connection| connection.is_lost.store(true, Ordering::SeqCst));
    }

    /// Delays clients' requests by this from now on.
    pub fn set_latency(&self, latency: Duration) {
        let latency = u64::try_from(latency.as_millis()).expect("a short time");
        self.state.latency.store(latency, Ordering::SeqCst);
    }

    /// Cuts the connections of the next `times` commits.
    pub fn cut_next(&self, cut: Cut, times: usize) {
        self.state.cuts.lock().expect("no thread panics").extend(vec![cut; times]);
    }

    /// The number of requested cuts that have not happened yet.
    pub fn cuts_to_come(&self) -> usize {
        self.state.cuts.lock().expect("no thread panics").len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_closed.store(true, Ordering::SeqCst);
        self.swallow(false);
        // Wakes the listener.
        drop(TcpStream::connect(self.address()));
    }
}

impl State {
    fn accept(self: &Arc<Self>, client: TcpStream) {
        let server = self.server.lock().expect("no thread panics").clone();
        if self.refuses.load(Ordering::SeqCst) {
            return;
        }
        // Without a server the client is dropped: it observes the same as without this proxy.
        let Ok(server) = TcpStream::connect(server) else { return };
        for end in [&client, &server] {
            end.set_nodelay(true).expect("a TCP socket");
        }
        let connection =
            Arc::new(Connection { client, server, is_doomed: AtomicBool::default(), is_lost: AtomicBool::default() });
        {
            let mut connections = self.connections.lock().expect("no thread panics");
            connections.retain(|connection| connection.strong_count() > 0);
            connections.push(Arc::downgrade(&connection));
        }
        let (state, to_server) = (Arc::clone(self), Arc::clone(&connection));
        std::thread::spawn(move || to_server.pass_requests(&state));
        let state = Arc::clone(self);
        std::thread::spawn(move || connection.pass_responses(&state));
    }

    fn open_connections(&self) -> Vec<Arc<Connection>> {
        self.connections.lock().expect("no thread panics").iter().filter_map(Weak::upgrade).collect()
    }

    fn wait_while_swallowing(&self, connection: &Connection) {
        let swallows = self.swallows.lock().expect("no thread panics");
        let may_not_pass = |swallows: &mut bool| {
            (*swallows || connection.is_lost.load(Ordering::SeqCst)) && !self.is_closed.load(Ordering::SeqCst)
        };
        drop(self.swallowing_ended.wait_while(swallows, may_not_pass).expect("no thread panics"));
    }

    #[expect(clippy::disallowed_methods, reason = "the delay is what is tested")]
    fn delay(&self) {
        std::thread::sleep(Duration::from_millis(self.latency.load(Ordering::SeqCst)));
    }
}

impl Connection {
    fn pass_requests(&self, state: &State) {
        pass_on(&self.client, &self.server, |bytes| {
            state.delay();
            state.wait_while_swallowing(self);
            let is_commit = bytes.windows(COMMIT.len()).any(|window| window == COMMIT);
            let cut = if is_commit { state.cuts.lock().expect("no thread panics").pop() } else { None };
            self.is_doomed.store(matches!(cut, Some(Cut::AfterCommit)), Ordering::SeqCst);
            !matches!(cut, Some(Cut::BeforeCommit))
        });
        self.close();
    }

    fn pass_responses(&self, state: &State) {
        pass_on(&self.server, &self.client, |_| {
            state.wait_while_swallowing(self);
            !self.is_doomed.load(Ordering::SeqCst)
        });
        self.close();
    }

    fn close(&self) {
        for end in [&self.client, &self.server] {
            // It may be closed already.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

/// Copies until an end is closed or `may_pass` is false for what was read; an end of the stream is asked for as no bytes.
fn pass_on(mut from: &TcpStream, mut to: &TcpStream, mut may_pass: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        if !may_pass(&buffer[..count]) || count == 0 || to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

fn address(url: &Url) -> String {
    format!("{}:{}", url.host_str().expect("a host"), url.port().unwrap_or(5432))
}
