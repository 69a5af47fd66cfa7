//! The database of a schedule: a primary, its standbys and backups, and an address for each client process that follows the primary.

use std::time::Duration;

use crate::support::{Connections, Database, Postgres, Proxy};

use super::schedule::{Old, last};

/// The servers, and the links to them.
pub struct Servers {
    primary: Postgres,
    /// From the standby to its primary.
    replication: Proxy,
    /// From the test.
    front: Proxy,
    /// From the client processes.
    links: Vec<Proxy>,
}

impl Servers {
    /// A primary, and a database of the platform that is reached through [`Self::front`].
    pub async fn start(clients: usize) -> (Self, Database) {
        let primary = Postgres::dedicated().await;
        let (replication, front) = (Proxy::to(primary.url()), Proxy::to(primary.url()));
        let database = Postgres::at(front.url()).upstream_after_ia().await;
        let links = (0..clients).map(|_| Proxy::to(primary.url())).collect();
        (Self { primary, replication, front, links }, database)
    }

    /// A client process's URL of a database.
    pub fn url(&self, client: usize, database: &str) -> String {
        let server = self.links[client].url().strip_suffix("postgres").expect("the superuser's database");
        format!("{server}{database}")
    }

    /// A client process's link to the primary.
    pub fn link(&self, client: usize) -> &Proxy {
        &self.links[client]
    }

    /// A standby of the primary replaces it, and has lost the commits of the last `lost`. Returns once clients reach it.
    pub async fn promote(&mut self, lost: Duration, clock: i64, old: Old) {
        let standby = self.primary.standby(&self.replication, clock).await;
        if lost.is_zero() {
            tokio::task::block_in_place(|| self.primary.shut_down());
        } else {
            self.replication.refuse(true);
            self.replication.cut(Connections::All);
            last(lost).await;
        }
        if old != Old::KeepsHalfFor10s {
            tokio::task::block_in_place(|| self.primary.stop_immediate());
        }
        standby.promote().await;
        self.replication.refuse(false);
        let retired = self.replace_primary(standby);
        match old {
            Old::Dies => self.links.iter().for_each(|link| link.cut(Connections::All)),
            Old::Vanishes => self.links.iter().for_each(Proxy::lose_connections),
            Old::KeepsHalfFor10s => {
                self.links.iter().for_each(|link| link.cut(Connections::Half));
                last(Duration::from_secs(10)).await;
            }
        }
        tokio::task::block_in_place(|| drop(retired));
    }

    /// The primary crashes and comes back.
    pub fn crash(&self) {
        tokio::task::block_in_place(|| {
            self.primary.stop_immediate();
            self.primary.start();
        });
    }

    /// A backup of the primary, made `age` before it is restored under the primary's address.
    pub async fn restore(&mut self, age: Duration) {
        let backup = self.primary.backup().await;
        last(age).await;
        tokio::task::block_in_place(|| self.primary.stop_immediate());
        tokio::task::block_in_place(|| backup.start());
        let retired = self.replace_primary(backup);
        self.links.iter().for_each(|link| link.cut(Connections::All));
        tokio::task::block_in_place(|| drop(retired));
    }

    /// Leads new connections, and all of the test's own, to another server; returns the old one.
    fn replace_primary(&mut self, by: Postgres) -> Postgres {
        self.links.iter().chain([&self.front]).for_each(|link| link.switch(by.url()));
        self.front.cut(Connections::All);
        std::mem::replace(&mut self.primary, by)
    }
}
