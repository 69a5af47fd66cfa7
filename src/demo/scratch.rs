//! A temporary folder with a PostgreSQL server in it; neither can outlive the demo.
//!
//! Between us and the server stands a shell that holds the other end of a pipe. However we end, kill −9 included, the
//! kernel closes the pipe, and the shell ends the server and removes the folder.

use std::fs::{self, DirBuilder, File};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

const SCRIPT: &str = include_str!("scratch.sh");

/// How long the server may take from its start to its first connection.
const READY: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How much of a log is shown on failure.
const TAIL_LINES: usize = 15;

/// The folder and the shell that guards it. Dropping it removes both and waits until that is done.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    guard: Child,
    url: String,
}

impl Scratch {
    /// Makes the folder and begins to set up the server in it.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or the system refuses a folder or a process.
    pub fn create() -> anyhow::Result<Self> {
        let binaries = find_binaries()?;
        let server_user = ServerUser::choose()?;
        let port = free_port().context("could not find a free port")?;
        let password = Uuid::new_v4().simple().to_string();
        let folder = std::env::temp_dir().join(format!("segmenter-demo-{}", Uuid::new_v4().simple()));
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("could not make the folder {}", folder.display()))?;
        let guard = prepare(&folder, &password, &server_user).and_then(|()| {
            let mut shell = Command::new("sh");
            shell.args(["-c", SCRIPT, "segmenter-demo"]).arg(&folder).arg(&binaries).arg(port.to_string());
            shell.args(server_user.prefix()).current_dir(&folder).stdin(Stdio::piped()).stdout(Stdio::piped());
            // Ctrl-C goes to our process group; the shell has to see the pipe close instead.
            shell.process_group(0).spawn().context("could not start sh")
        });
        match guard {
            Ok(guard) => {
                let url = format!("postgres://segmenter:{password}@127.0.0.1:{port}/postgres");
                Ok(Self { folder, guard, url })
            }
            Err(error) => {
                fs::remove_dir_all(&folder).with_context(|| format!("could not remove {}", folder.display()))?;
                Err(error)
            }
        }
    }

    /// Waits until the server answers.
    ///
    /// # Errors
    /// It could not be set up, or does not answer in time; its log says why.
    pub async fn ready(&mut self) -> anyhow::Result<PgConnection> {
        let said = self.guard.stdout.take().context("the server was waited for twice")?;
        let first_line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(said).read_line(&mut line).map(|_| line)
        });
        let first_line = first_line.await.context("could not wait for initdb")?.context("could not wait for initdb")?;
        if first_line.trim_end() != "started" {
            bail!("initdb failed");
        }
        let started = Instant::now();
        loop {
            match PgConnection::connect(&self.url).await {
                Ok(connection) => return Ok(connection),
                Err(error) if started.elapsed() > READY => {
                    return Err(error).context("the local PostgreSQL does not answer");
                }
                Err(_) => tokio::time::sleep(BETWEEN_LOOKS).await,
            }
        }
    }

    /// With user and password.
    pub fn database_url(&self) -> &str {
        &self.url
    }

    /// Where the service's log goes.
    pub fn log(&self) -> PathBuf {
        self.folder.join("segmenter.log")
    }

    /// A file of the folder, made anew.
    ///
    /// # Errors
    /// As [`File::create`].
    pub fn new_file(&self, name: &str) -> anyhow::Result<(PathBuf, File)> {
        let path = self.folder.join(name);
        let file = File::create(&path).with_context(|| format!("could not make {}", path.display()))?;
        Ok((path, file))
    }

    /// The last lines of the logs, for those who ask why it failed.
    pub fn log_tails(&self) -> Vec<String> {
        let tail = |path: &Path| {
            let text = fs::read(path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.into_iter().rev().take(TAIL_LINES).rev().collect::<Vec<_>>()
        };
        let mut lines = tail(&self.log());
        lines.extend(tail(&self.folder.join("postgres.log")));
        lines
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // There is nobody left to tell if the shell cannot be waited for.
        let _ = self.guard.wait();
    }
}

fn prepare(folder: &Path, password: &str, server_user: &ServerUser) -> anyhow::Result<()> {
    let password_file = folder.join("password");
    fs::write(&password_file, password).context("could not write into the temporary folder")?;
    server_user.give(folder)?;
    server_user.give(&password_file)
}

/// Who runs the server: PostgreSQL refuses to run as root.
enum ServerUser {
    Ourselves,
    Other { name: &'static str, uid: u32, gid: u32 },
}

impl ServerUser {
    fn choose() -> anyhow::Result<Self> {
        if id(&["-u"]) != Some(0) {
            return Ok(Self::Ourselves);
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| Some(Self::Other { name, uid: id(&["-u", name])?, gid: id(&["-g", name])? }))
            .context("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
    }

    fn prefix(&self) -> Vec<String> {
        match self {
            Self::Ourselves => Vec::new(),
            Self::Other { name, gid, .. } => {
                vec!["setpriv".into(), format!("--reuid={name}"), format!("--regid={gid}"), "--clear-groups".into()]
            }
        }
    }

    fn give(&self, path: &Path) -> anyhow::Result<()> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { uid, gid, .. } => chown(path, Some(*uid), Some(*gid))
                .with_context(|| format!("could not give {} to the server's user", path.display())),
        }
    }
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The folder of the newest PostgreSQL that Debian's packages installed, else of the one in PATH.
fn find_binaries() -> anyhow::Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .map(|version| (version, PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))))
        .filter(|(_, folder)| folder.join("initdb").exists())
        .max();
    if let Some((_, folder)) = newest {
        return Ok(folder);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| folder.join("initdb").exists())
        .context("PostgreSQL's server (initdb) is not installed; `make demo` installs it on Debian and its kin")
}
