//! Copies of a server: a standby that streams from it, its promotion, and a backup that is restored later.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::{FAST, Own, PASSWORD, Postgres, ShiftedClock};
use crate::support::{Proxy, eventually};

/// How long a copy or a promotion may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

impl Postgres {
    /// An asynchronous standby that streams from this server through `replication`, and whose clock is `clock` seconds from the
    /// right time. Returns once it streams.
    pub async fn standby(&self, replication: &Proxy, clock: i64) -> Self {
        replication.switch(&self.url);
        let address = replication.address();
        let (host, port) = address.split_once(':').expect("host:port");
        let from = format!(
            "primary_conninfo = 'host={host} port={port} user=postgres password={PASSWORD}'\n\
             wal_retrieve_retry_interval = '200ms'\n"
        );
        let standby = self.copied(clock, &from).await;
        let signal = standby.own().supervisor.folder().join("data/standby.signal");
        std::fs::write(&signal, "").expect("the data folder is writable");
        standby.own().server_user.own(&signal);
        tokio::task::block_in_place(|| standby.start());
        let streams = "select count(*) > 0 from pg_stat_replication where state = 'streaming'";
        eventually(DEADLINE, "the standby to stream", || self.answers(streams)).await;
        standby
    }

    /// A backup of this server as it is now, not started: [`Self::start`] is its restore.
    pub async fn backup(&self) -> Self {
        self.copied(0, "").await
    }

    /// Makes a standby the primary of a timeline of its own; returns when it accepts writes.
    pub async fn promote(&self) {
        assert!(self.answers("select pg_promote(true, 60)").await, "the standby is not promoted");
        eventually(DEADLINE, "the standby to be a primary", || self.answers("select not pg_is_in_recovery()")).await;
    }

    /// Shuts the server down as an operator does: it closes its sessions, and sends its standby all that was committed.
    pub fn shut_down(&self) {
        self.own().supervisor.stop("INT");
    }

    /// Whether it answers, and with true.
    async fn answers(&self, question: &'static str) -> bool {
        self.ask(question).await.unwrap_or(false)
    }

    async fn ask(&self, question: &'static str) -> sqlx::Result<bool> {
        let mut session = PgConnection::connect(&self.url).await?;
        let answer = sqlx::query_scalar(question).fetch_one(&mut session).await?;
        session.close().await?;
        Ok(answer)
    }

    async fn copied(&self, clock: i64, settings: &str) -> Self {
        let port = self.own().port.to_string();
        let copy = move || {
            let copy = Own::without_data(|folder| {
                if clock == 0 {
                    return Vec::new();
                }
                let shifted = ShiftedClock::within(folder);
                shifted.shift(clock);
                shifted.environment().into()
            });
            let source = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-D", "data"];
            copy.run("pg_basebackup", &[&source[..], &["--checkpoint=fast", "--no-sync"]].concat());
            copy
        };
        let copy = tokio::task::spawn_blocking(copy).await.expect("the server can be copied");
        copy.configure(&format!("{FAST}{settings}"));
        Self::of(copy)
    }
}
