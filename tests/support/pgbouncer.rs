//! A real PgBouncer in front of a test's database.

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::ports::free_port;
use super::postgres::ServerUser;
use super::supervisor::Supervisor;
use super::wait::eventually_blocking;

/// A pooler in transaction mode; stopped when dropped.
pub struct PgBouncer {
    supervisor: Supervisor,
    url: String,
}

impl PgBouncer {
    /// In front of the database at `url`, with this number of server sessions for all clients.
    pub async fn before(url: &str, sessions: u32) -> Self {
        let url = Url::parse(url).expect("a database's URL");
        tokio::task::spawn_blocking(move || Self::start(&url, sessions)).await.expect("the pooler starts")
    }

    /// The URL of the same database through the pooler.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn start(database: &Url, sessions: u32) -> Self {
        let port = free_port();
        let user = ServerUser::choose();
        let supervisor = Supervisor::new("TERM", |folder| {
            let mut command_line = user.prefix();
            command_line.extend([binary().into(), folder.join("pgbouncer.ini").into()]);
            command_line
        });
        let name = database.path().trim_start_matches('/');
        let settings = format!(
            "[databases]\n{name} = host={} port={} user={} password={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = {sessions}\nmax_client_conn = 100\n",
            database.host_str().expect("a host"),
            database.port().expect("a port"),
            database.username(),
            database.password().expect("a password"),
        );
        user.own(supervisor.folder());
        let file = supervisor.folder().join("pgbouncer.ini");
        std::fs::write(&file, settings).expect("the folder is writable");
        user.own(&file);
        supervisor.start();
        eventually_blocking(Duration::from_secs(30), "PgBouncer to accept connections", || {
            assert!(supervisor.is_running(), "PgBouncer ended at its start:\n{}", supervisor.log_tail());
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let mut url = database.clone();
        url.set_port(Some(port)).expect("a URL with a host has a port");
        Self { supervisor, url: url.into() }
    }
}

impl Drop for PgBouncer {
    #[expect(clippy::print_stdout, reason = "the test runner shows it with the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- PgBouncer's log\n{}", self.supervisor.log_tail());
        }
    }
}

/// Debian installs it in a folder that is only in root's PATH.
fn binary() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("pgbouncer"))
        .find(|file| file.exists())
        .expect("PgBouncer is missing: `scripts/setup ops` installs it")
}
