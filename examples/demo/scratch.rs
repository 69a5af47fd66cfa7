//! A temporary folder with a PostgreSQL server in it; neither can outlive the demo.
//!
//! A shell between the demo and the server holds the other end of a pipe. When the demo ends in any way, kill −9
//! included, the kernel closes the pipe, and the shell ends the server and removes the folder.

use std::fs::{self, DirBuilder};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

const SCRIPT: &str = include_str!("scratch.sh");

/// The deadline from the server's start to its first connection.
const READY: Duration = Duration::from_secs(30);
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// The lines of a log that are shown on failure.
const TAIL_LINES: usize = 15;

/// The folder and the shell that guards it. Dropping it removes both and waits until that is done.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    guard: Child,
    /// With user and password.
    pub database_url: String,
}

impl Scratch {
    /// Makes the folder and begins to set up the server in it.
    ///
    /// # Errors
    /// The system refuses a folder or a process.
    pub fn create() -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port().to_string();
        let password = Uuid::new_v4().simple().to_string();
        let folder = std::env::temp_dir().join(format!("segmenter-demo-{}", Uuid::new_v4().simple()));
        DirBuilder::new().mode(0o700).create(&folder).context("could not make a temporary folder")?;
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "segmenter-demo"]).arg(&folder).arg(&port).env("PGPASSWORD", &password);
        shell.current_dir(&folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Ctrl-C goes to the demo's process group; the shell must act on the closed pipe instead.
        let guard = shell.process_group(0).spawn().context("could not start sh")?;
        Ok(Self { folder, guard, database_url: format!("postgres://segmenter:{password}@127.0.0.1:{port}/postgres") })
    }

    /// Waits until the server answers.
    ///
    /// # Errors
    /// It could not be set up, or does not answer in time; its log has the reason.
    pub async fn ready(&mut self) -> anyhow::Result<PgConnection> {
        let stdout = self.guard.stdout.take().context("the server was waited for twice")?;
        let line = tokio::task::spawn_blocking(move || BufReader::new(stdout).lines().next()).await?;
        match line.transpose()?.as_deref() {
            Some("started") => {}
            error => bail!("{}", error.unwrap_or("sh ended early")),
        }
        let started = Instant::now();
        loop {
            match PgConnection::connect(&self.database_url).await {
                Ok(connection) => return Ok(connection),
                Err(error) if started.elapsed() > READY => {
                    return Err(error).context("the local PostgreSQL does not answer");
                }
                Err(_) => tokio::time::sleep(CHECK_INTERVAL).await,
            }
        }
    }

    /// The path of a file of this name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The last lines of the logs.
    pub fn log_tails(&self) -> String {
        let mut tails = String::new();
        for log in ["segmenter.log", "postgres.log"] {
            let text = fs::read(self.path(log)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let skipped = text.lines().count().saturating_sub(TAIL_LINES);
            text.lines().skip(skipped).for_each(|line| tails += &format!("{line}\n"));
        }
        tails
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // A failed wait leaves nothing to do.
        let _ = self.guard.wait();
    }
}
