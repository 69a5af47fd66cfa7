//! A real PostgreSQL server. `copies` makes standbys and backups of it.

mod copies;

use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::certificates::{Authority, Signed};
use super::ports::free_port;
use super::supervisor::{Children, Supervisor};
use super::wait::eventually_blocking;
use super::{Database, ShiftedClock};

const FIXTURE_BEFORE_IA: &str = include_str!("../fixtures/upstream/before_ia.sql");
const FIXTURE_IA: &str = include_str!("../fixtures/upstream/ia_002_1.sql");

/// The password of the superuser `postgres`. Tests check that no log contains it.
pub const PASSWORD: &str = "s3cret-of-the-tests";

/// A server: the shared one of the run, or a dedicated one that a test may stop.
pub struct Postgres {
    /// Without a database.
    url: String,
    own: Option<Own>,
}

/// The settings of test servers: their data need not survive a crash of the machine.
const FAST: &str = "fsync = off\n";

struct Own {
    supervisor: Supervisor,
    binaries: PathBuf,
    port: u16,
    server_user: ServerUser,
}

/// The server that all tests share: the one that `DATABASE_URL` names, else one started on first use.
pub fn postgres() -> &'static Postgres {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    SHARED.get_or_init(|| match std::env::var("DATABASE_URL") {
        Ok(url) => Postgres::at(&url),
        Err(_) => Postgres::start_new(FAST, &[]),
    })
}

impl Postgres {
    /// The server at `url`, which is not the test's own, or is reached through a proxy.
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), own: None }
    }

    /// The URL of the superuser, in the database `postgres`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A dedicated server, which the test may stop and pause. Stopped when dropped.
    pub async fn dedicated() -> Self {
        Self::with_settings(FAST).await
    }

    /// [`Self::dedicated`] with these lines of configuration instead of the test settings.
    pub async fn with_settings(settings: &'static str) -> Self {
        tokio::task::spawn_blocking(|| Self::start_new(settings, &[])).await.expect("the server starts")
    }

    /// [`Self::dedicated`], with this certificate.
    pub async fn with_tls(shown: &'static Signed) -> Self {
        const TLS: &str = "fsync = off\nssl = on\nssl_cert_file = '../server.pem'\nssl_key_file = '../server.key'\n";
        let start = || {
            let read = |path: &Path| std::fs::read_to_string(path).expect("it was written");
            Self::start_new(TLS, &[("server.pem", read(&shown.certificate)), ("server.key", read(&shown.key))])
        };
        tokio::task::spawn_blocking(start).await.expect("the server starts")
    }

    /// [`Self::with_tls`] with this authority's certificate, which logs `segmenter` in by a certificate of the same authority
    /// for that name, and by nothing else.
    pub async fn with_certificates_of(authority: &'static Authority) -> Self {
        const TLS: &str = "fsync = off\nssl = on\nssl_cert_file = '../server.pem'\nssl_key_file = '../server.key'\n\
                           ssl_ca_file = '../ca.pem'\nhba_file = 'pg_hba.conf'\n";
        const LOGINS: &str = "hostssl all segmenter 127.0.0.1/32 cert\nhost all segmenter 127.0.0.1/32 reject\n\
                              host all all 127.0.0.1/32 password\n";
        let start = || {
            let read = |path: &Path| std::fs::read_to_string(path).expect("it was written");
            let server =
                [("server.pem", read(&authority.server.certificate)), ("server.key", read(&authority.server.key))];
            let clients = [("ca.pem", read(&authority.ca)), ("pg_hba.conf", LOGINS.to_owned())];
            Self::start_new(TLS, &[server, clients].concat())
        };
        tokio::task::spawn_blocking(start).await.expect("the server starts")
    }

    /// The process id of the postmaster, the parent of all other processes of the server.
    pub fn pid(&self) -> u32 {
        self.own().supervisor.pid().expect("the server was started")
    }

    /// A new empty database.
    pub async fn fresh_database(&self) -> Database {
        Database::create(&self.url).await
    }

    /// A new database as the platform's Prisma migrations leave it before IA-002.1: no segment columns.
    pub async fn upstream_before_ia(&self) -> Database {
        let database = self.fresh_database().await;
        database.run(FIXTURE_BEFORE_IA).await;
        database
    }

    /// A new database as the platform's Prisma migrations leave it, IA-002.1 included.
    pub async fn upstream_after_ia(&self) -> Database {
        let database = self.upstream_before_ia().await;
        database.run(FIXTURE_IA).await;
        database
    }

    /// Stops the server like a crash: no checkpoint, sessions are cut. Its data stays.
    pub fn stop_immediate(&self) {
        self.own().supervisor.stop("QUIT");
    }

    /// Starts the server again after [`Self::stop_immediate`], on the same data and port; returns when it is ready.
    pub fn start(&self) {
        self.own().start();
    }

    /// Pauses every process of the server (SIGSTOP): connections stay open and unanswered.
    pub fn pause(&self) {
        self.own().supervisor.signal("STOP", Children::After);
    }

    /// Ends [`Self::pause`].
    pub fn resume(&self) {
        self.own().supervisor.signal("CONT", Children::Before);
    }

    fn own(&self) -> &Own {
        self.own.as_ref().expect("a server that DATABASE_URL names is not ours to stop")
    }

    /// `files` are written beside the data, readable for the server alone.
    fn start_new(settings: &str, files: &[(&str, String)]) -> Self {
        let own = Own::without_data(|_| Vec::new());
        for (name, content) in files {
            let path = own.supervisor.folder().join(name);
            std::fs::write(&path, content).expect("the folder is writable");
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("it is ours");
            own.server_user.own(&path);
        }
        own.init_data();
        own.configure(settings);
        own.start();
        Self::of(own)
    }

    fn of(own: Own) -> Self {
        Self { url: format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres", own.port), own: Some(own) }
    }
}

impl Own {
    /// A server with an empty folder, run with the environment that `environment` makes of the folder.
    fn without_data(environment: impl FnOnce(&Path) -> Vec<(&'static str, String)>) -> Self {
        let (binaries, server_user) = (find_binaries(), ServerUser::choose());
        let supervisor = Supervisor::new("QUIT", |folder| {
            let mut command_line = server_user.prefix();
            command_line.push("env".into());
            command_line.extend(environment(folder).into_iter().map(|(name, value)| format!("{name}={value}").into()));
            command_line.extend([binaries.join("postgres").into(), "-D".into(), folder.join("data").into()]);
            command_line
        });
        server_user.own(supervisor.folder());
        Self { supervisor, binaries, port: free_port(), server_user }
    }

    /// Runs a program of the server's installation as the server's user, in its folder.
    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command_line = self.server_user.prefix();
        command_line.push(self.binaries.join(program).into());
        let (first, more) = command_line.split_first().expect("it has the program at least");
        let output = Command::new(first)
            .args(more)
            .args(arguments)
            .env("PGPASSWORD", PASSWORD)
            .current_dir(self.supervisor.folder())
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn init_data(&self) {
        let password_file = self.supervisor.folder().join("password");
        std::fs::write(&password_file, PASSWORD).expect("the folder is writable");
        self.server_user.own(&password_file);
        // A clear-text password, since SCRAM's hashing is slow in a debug build, at every connection. A linguistic collation, as in
        // production: a statement that relies on bytewise order must ask for it. PostgreSQL 14 has none of its own.
        let collation = if self.major() < 15 { "" } else { "--locale-provider=icu --icu-locale=en-US" };
        let arguments = format!(
            "--no-sync --encoding=UTF8 --username=postgres --auth=password --pwfile=password --locale=C.UTF-8 -D data {collation}"
        );
        self.run("initdb", &arguments.split_whitespace().collect::<Vec<_>>());
    }

    /// The server's major version.
    fn major(&self) -> u32 {
        let output = Command::new(self.binaries.join("postgres")).arg("--version").output().expect("postgres runs");
        let printed = String::from_utf8_lossy(&output.stdout);
        let version = printed.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok());
        version.unwrap_or_else(|| panic!("no version of PostgreSQL in {printed:?}"))
    }

    fn configure(&self, settings: &str) {
        // No Unix socket: its path is limited to 107 bytes, and that of a temporary folder may be longer.
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\nmax_connections = 200\n{settings}",
            self.port
        );
        // Read after postgresql.conf, which keeps its defaults.
        let file = self.supervisor.folder().join("data/postgresql.auto.conf");
        std::fs::write(&file, settings).expect("the data folder is writable");
        self.server_user.own(&file);
    }

    fn start(&self) {
        self.supervisor.start();
        eventually_blocking(Duration::from_secs(60), "PostgreSQL to accept connections", || {
            assert!(self.supervisor.is_running(), "PostgreSQL ended at its start:\n{}", self.supervisor.log_tail());
            Command::new(self.binaries.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-d", "postgres", "-p", &self.port.to_string()])
                .status()
                .expect("pg_isready runs")
                .success()
        });
    }
}

/// The operating system user of the server: PostgreSQL refuses to run as root.
pub(super) enum ServerUser {
    Ourselves,
    Other { name: &'static str, uid: u32, gid: u32 },
}

impl ServerUser {
    pub(super) fn choose() -> Self {
        let ourselves = std::fs::metadata("/proc/self").expect("/proc is readable").uid();
        if ourselves != 0 {
            return Self::Ourselves;
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| Some(Self::Other { name, uid: id("-u", name)?, gid: id("-g", name)? }))
            .expect("root needs a user to run PostgreSQL as: postgres or nobody")
    }

    pub(super) fn prefix(&self) -> Vec<OsString> {
        match self {
            Self::Ourselves => Vec::new(),
            Self::Other { name, gid, .. } => vec![
                "setpriv".into(),
                format!("--reuid={name}").into(),
                format!("--regid={gid}").into(),
                "--clear-groups".into(),
            ],
        }
    }

    pub(super) fn own(&self, path: &Path) {
        if let Self::Other { uid, gid, .. } = self {
            chown(path, Some(*uid), Some(*gid)).expect("root may change owners");
        }
    }
}

fn id(which: &str, user: &str) -> Option<u32> {
    let output = Command::new("id").args([which, user]).stderr(Stdio::null()).output().expect("id runs");
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The folder of PostgreSQL's programs: the first one in PATH, else the newest that Debian's packages installed, which are not.
fn find_binaries() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A link there leads to the folder of them all.
    let in_path = std::env::split_paths(&path)
        .find_map(|folder| Some(folder.join("initdb").canonicalize().ok()?.parent()?.to_owned()));
    let versions = || std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let of_debian = || {
        let folders = versions()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
            .map(|version| (version, PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))));
        folders.filter(|(_, folder)| folder.join("initdb").exists()).max().map(|(_, folder)| folder)
    };
    in_path.or_else(of_debian).expect("PostgreSQL's server is missing: `make setup` installs it")
}
