//! Faults as data, and the driver that lets each happen under load and checks what it left.

use std::time::{Duration, Instant};

use super::bed::{Bed, Stage};
use crate::faults::failpoint;
use crate::support::{BROKERS, Cut, Proxy, Segmenter};

/// What happens to the primary when its standby is promoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    /// Its sessions are closed.
    Dies,
    /// Its sessions stay open and silent, as those of a host without power.
    Vanishes,
    /// It serves half of its sessions for ten seconds, and dies then.
    KeepsHalfFor10s,
}

/// What happens after a silence to the connections that were open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// What was sent meanwhile arrives.
    TheyPass,
    /// They stay silent.
    TheyAreLost,
}

/// A broker, by its part in the schedule at that moment.
#[derive(Clone, Copy, Debug)]
pub enum Broker {
    Number(usize),
    /// Of the first partition of onboardings.
    Leader,
    /// Of the consumer group.
    Coordinator,
    /// The active one.
    Controller,
}

/// The links from client processes that a fault concerns.
#[derive(Clone, Copy, Debug)]
pub enum Links {
    /// Of all processes to the database.
    Databases,
    /// Of the first process to the database.
    Database,
    /// Of the first process to a broker.
    To(Broker),
    /// Of the first process to all brokers but this one.
    ToAllBut(Broker),
}

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The standby is promoted with this time of commits lost, and its clock is this many seconds from the right time.
    Promote {
        lost: Duration,
        clock: i64,
        old: Old,
    },
    /// A backup of this age is restored.
    Restore {
        age: Duration,
    },
    /// The brokers are restarted one after another, each when all replicas are in sync.
    Restarts,
    /// A broker is killed, and started again after this time.
    Kill(Broker, Duration),
    /// A broker does nothing for this time.
    PauseBroker(Broker, Duration),
    /// Two brokers of three are killed, and started again after this time.
    KillTwo(Duration),
    /// A broker is killed, a process joins the group when the broker's partitions of updates have no leader any more and processes
    /// the others, and the broker is started again after this time.
    KillAndJoin(usize, Duration),
    /// The links pass nothing for this time.
    Swallow(Links, Duration, Then),
    /// A process is killed, and another one started in its place.
    KillProcess(usize),
    /// A process is asked to stop, does so, and another one is started in its place.
    Terminate(usize),
    /// A process is stopped without its knowledge.
    Pause(usize),
    ResumeAll,
    /// A process is replaced by one that is slow at this point once.
    Slow(usize, &'static str),
    /// The primary crashes and comes back.
    CrashDatabase,
    /// A process's connection breaks at the next commit.
    CutCommit(usize, Cut),
}

impl Fault {
    fn loses_commits(self) -> bool {
        match self {
            Self::Promote { lost, .. } => !lost.is_zero(),
            Self::Restore { .. } => true,
            _ => false,
        }
    }
}

/// Faults in a row, without a wait for everything to be right in between.
pub struct Step {
    pub faults: Vec<Fault>,
    /// The longest time without a change that a partition may have.
    pub stall: Duration,
    /// The longest time from the end of the last fault, or the promotion, until the rows are right.
    pub right: Duration,
}

impl Step {
    /// Faults, and the bounds in seconds.
    pub fn new<const N: usize>(faults: [Fault; N], stall: u64, right: u64) -> Self {
        Self { faults: faults.into(), stall: Duration::from_secs(stall), right: Duration::from_secs(right) }
    }
}

/// Runs the steps on one stage: the same processes live through all of them.
pub async fn run(stage: Stage, steps: impl IntoIterator<Item = Step>) {
    let mut bed = Bed::new(stage).await;
    for step in steps {
        bed.is_working().await;
        let started = Instant::now();
        for fault in &step.faults {
            bed.happens(*fault).await;
        }
        let over = Instant::now();
        bed.is_working().await;
        let stopped = Instant::now();
        let right = bed.rows_are_right(step.right).await.saturating_duration_since(over);
        let stalls = bed.stalls(started, stopped);
        println!(
            "{:>5.1?} {:?}: longest stall by partition {stalls:.1?}, rows right after {right:.1?}",
            started.elapsed(),
            step.faults
        );
        bed.everything_is_right().await;
        assert!(stalls.iter().all(|stall| *stall <= step.stall), "{stalls:?}");
        bed.load.resume();
    }
}

impl Bed {
    pub async fn happens(&mut self, fault: Fault) {
        if fault.loses_commits() {
            self.rewinds_to_now();
        }
        match fault {
            Fault::Promote { lost, clock, old } => self.servers.promote(lost, clock, old).await,
            Fault::Restore { age } => self.servers.restore(age).await,
            Fault::Restarts => tokio::task::block_in_place(|| self.cluster.restart_one_after_another()),
            Fault::Kill(broker, time) => {
                self.cluster.kill(self.number(broker));
                self.heals_after(time).await;
            }
            Fault::PauseBroker(broker, time) => {
                self.cluster.pause(self.number(broker));
                self.heals_after(time).await;
            }
            Fault::KillTwo(time) => {
                (0..2).for_each(|broker| self.cluster.kill(broker));
                self.heals_after(time).await;
            }
            Fault::KillAndJoin(broker, time) => {
                self.cluster.kill(broker);
                tokio::task::block_in_place(|| self.cluster.wait_until_leaderless(&self.scene.updates, 0));
                self.join();
                self.the_newest_process_works().await;
                self.readiness_names(&self.scene.updates).await;
                self.heals_after(time).await;
            }
            Fault::Swallow(links, time, then) => {
                let links = self.links(links);
                links.iter().for_each(|link| link.swallow(true));
                last(time).await;
                if then == Then::TheyAreLost {
                    links.iter().for_each(|link| link.lose_connections());
                }
                links.iter().for_each(|link| link.swallow(false));
            }
            Fault::KillProcess(client) => {
                self.processes[client].kill();
                self.replace(client, "").await;
            }
            Fault::Terminate(client) => {
                self.processes[client].terminate();
                // A paused process receives the signal when it wakes.
                self.processes[client].resume();
                let code = self.replace(client, "").await;
                assert_eq!(code, Some(0), "a process that was asked to stop");
            }
            Fault::Pause(client) => self.processes[client].pause(),
            Fault::ResumeAll => self.processes.iter().for_each(Segmenter::resume),
            Fault::Slow(client, point) => {
                self.processes[client].kill();
                self.replace(client, &failpoint(point, "1*sleep(2000)")).await;
            }
            Fault::CrashDatabase => self.servers.crash(),
            Fault::CutCommit(client, cut) => self.servers.link(client).cut_next(cut, 1),
        }
    }

    async fn heals_after(&self, time: Duration) {
        last(time).await;
        tokio::task::block_in_place(|| self.cluster.heal());
    }

    fn number(&self, broker: Broker) -> usize {
        tokio::task::block_in_place(|| match broker {
            Broker::Number(number) => number,
            Broker::Leader => self.cluster.leader(&self.scene.onboarding, 0),
            Broker::Coordinator => self.cluster.coordinator(&self.scene.group),
            Broker::Controller => self.cluster.controller(),
        })
    }

    fn links(&self, links: Links) -> Vec<&Proxy> {
        let first_to = |brokers: Vec<usize>| brokers.into_iter().map(|broker| self.cluster.link(0, broker)).collect();
        match links {
            Links::Databases => (0..self.processes.len()).map(|client| self.servers.link(client)).collect(),
            Links::Database => vec![self.servers.link(0)],
            Links::To(broker) => first_to(vec![self.number(broker)]),
            Links::ToAllBut(broker) => {
                let spared = self.number(broker);
                first_to((0..BROKERS).filter(|number| *number != spared).collect())
            }
        }
    }
}

/// Lets a state that the schedule names last for the time that it names.
pub async fn last(time: Duration) {
    tokio::time::sleep(time).await;
}
