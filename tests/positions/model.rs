//! The protocol under random schedules of folds, commits, lost commits, promotions, servers that live on, rebalances, crashes and
//! processes that wake too late, against a model of write-ahead logs. One partition; the real tracker, position, start table and
//! comparing rule.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use segmenter::config::{InitialOffset, OutOfRange};
use segmenter::domain::event::Kind;
use segmenter::ingest::assignment::{Assignment, Epoch, PartitionClaim, Ticket};
use segmenter::ingest::offset_tracker::{Finish, FloodLimit};
use segmenter::ingest::position::Started;
use segmenter::ingest::start_table::Facts;
use segmenter::kafka::committed::{Committed, metadata};
use segmenter::kafka::partition::Partition;
use segmenter::store::history::{Histories, History};
use segmenter::store::positions::{Answer, PartitionKey, PositionRow, StoredPosition, may_raise};
use segmenter::store::revision_clock::RevisionClock;
use uuid::Uuid;

const PARTITION: Partition = Partition { kind: Kind::OnboardingCompleted, number: 0 };
const KEY: PartitionKey = PartitionKey { topic_id: Uuid::from_u128(7), partition: 0 };
const USERS: usize = 3;
const PROCESSES: usize = 2;

/// A step of a schedule. Numbers are taken modulo the number of choices there are.
#[derive(Debug, Clone, Copy)]
enum Step {
    Produce {
        user: usize,
        value: u8,
    },
    Poll(usize),
    Fold {
        process: usize,
        which: usize,
        on_old: bool,
    },
    /// Writes the positions; the answer may be lost.
    Confirm {
        process: usize,
        on_old: bool,
        answered: bool,
    },
    Publish(usize),
    /// Reads what the start of the partition follows from.
    Read {
        process: usize,
        on_old: bool,
    },
    /// Sets the position of the start, if it is as it was read, and begins.
    Start {
        process: usize,
        on_old: bool,
    },
    /// The last commits are lost with the primary, whose clock may have been ahead of the next one's.
    Promote {
        lost: usize,
        slower_by: i64,
        old_lives: bool,
    },
    OldDies,
    Crash(usize),
    /// The partition goes to the other process; the process that had it may not notice.
    Rebalance {
        notices: bool,
    },
    Notice(usize),
}

fn step(faults: Faults) -> impl Strategy<Value = Step> {
    let process = || 0..PROCESSES;
    let slower = if faults == Faults::SlowerClocks { 0_i64..500 } else { 0_i64..1 };
    let common = prop_oneof![
        3 => (0..USERS, any::<u8>()).prop_map(|(user, value)| Step::Produce { user, value }),
        6 => process().prop_map(Step::Poll),
        6 => (process(), any::<usize>(), any::<bool>()).prop_map(|(process, which, on_old)| Step::Fold { process, which, on_old }),
        3 => (process(), any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(process, on_old, answered)| Step::Confirm { process, on_old, answered }),
        3 => process().prop_map(Step::Publish),
        4 => (process(), any::<bool>()).prop_map(|(process, on_old)| Step::Read { process, on_old }),
        4 => (process(), any::<bool>()).prop_map(|(process, on_old)| Step::Start { process, on_old }),
        1 => (0_usize..6, slower, any::<bool>())
            .prop_map(|(lost, slower_by, old_lives)| Step::Promote { lost, slower_by, old_lives }),
        1 => Just(Step::OldDies),
    ];
    let of_processes = prop_oneof![
        process().prop_map(Step::Crash),
        any::<bool>().prop_map(|notices| Step::Rebalance { notices }),
        process().prop_map(Step::Notice),
    ];
    if faults == Faults::SlowerClocks { common.boxed() } else { prop_oneof![9 => common, 1 => of_processes].boxed() }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Faults {
    /// Every clock shows the same time.
    All,
    /// Servers with slower clocks take over. What a process has minted since its last commit it alone knows, so it lives.
    SlowerClocks,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct UserState {
    /// One more than the offset of the record that set the value.
    stamp: i64,
    value: u8,
    published: Option<u8>,
    revision: i64,
}

impl UserState {
    fn ranking(&self) -> Option<u8> {
        (self.stamp > 0).then_some(self.value % 2)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Change {
    user: usize,
    revision: i64,
    ranking: u8,
}

/// The content of a database after some transaction.
#[derive(Debug, Clone, Default)]
struct Content {
    users: [UserState; USERS],
    position: Option<StoredPosition>,
    outbox: Vec<Change>,
}

/// A server: its write-ahead log as the content after each transaction.
#[derive(Debug, Clone)]
struct Server {
    history: History,
    /// How far its clock is behind.
    slower_by: i64,
    log: Vec<Content>,
}

impl Server {
    fn content(&self) -> &Content {
        self.log.last().unwrap()
    }

    fn commit(&mut self, content: Content) {
        self.log.push(content);
    }
}

/// A process; a crash leaves a new one in its place.
struct Process {
    assignment: Assignment<()>,
    epoch: Option<Epoch>,
    waits: bool,
    /// What was read for the start of this epoch.
    read: Option<(Epoch, Facts)>,
    rewinds: bool,
    next: i64,
    in_flight: Vec<(Ticket, i64)>,
    handed_over: Vec<Change>,
    revisions: RevisionClock,
    /// The server of its newest connection. Connections to other servers are retired then.
    reached: Option<History>,
}

impl Process {
    fn new() -> Self {
        Self {
            assignment: Assignment::new(FloodLimit { records: 1_000, bytes: usize::MAX }),
            epoch: None,
            waits: false,
            read: None,
            rewinds: false,
            next: 0,
            in_flight: Vec::new(),
            handed_over: Vec::new(),
            revisions: RevisionClock::default(),
            reached: None,
        }
    }

    fn assign(&mut self) {
        self.epoch = Some(self.assignment.assign(&[PARTITION])[0].1);
        (self.waits, self.rewinds) = (true, false);
        self.in_flight.clear();
    }

    fn give_up(&mut self) {
        self.assignment.give_up(&[PARTITION]);
        (self.epoch, self.waits) = (None, false);
        self.in_flight.clear();
    }
}

struct World {
    records: Vec<(usize, u8)>,
    committed: Option<(i64, String)>,
    changes: Vec<Change>,
    minted: HashMap<(usize, i64), u8>,
    main: Server,
    old: Option<Server>,
    processes: Vec<Process>,
    owner: usize,
    time: i64,
}

impl World {
    fn new() -> Self {
        // The first position is never lost: a row that vanishes is an outage, which an operator ends.
        let first = StoredPosition { next_offset: 0, history: Some(History(1)) };
        let log = vec![Content { position: Some(first), ..Content::default() }];
        let main = Server { history: History(1), slower_by: 0, log };
        let mut processes: Vec<Process> = (0..PROCESSES).map(|_| Process::new()).collect();
        processes[0].assign();
        Self {
            records: Vec::new(),
            committed: None,
            changes: Vec::new(),
            minted: HashMap::new(),
            main,
            old: None,
            processes,
            owner: 0,
            time: 1_000,
        }
    }

    /// The server that a transaction of the process runs on. Once it has reached the present primary, the address leads it to a
    /// former one no more.
    fn server(&mut self, process: usize, on_old: bool) -> &mut Server {
        let reached = &mut self.processes[process].reached;
        let is_late = on_old && *reached != Some(self.main.history);
        let server = self.old.as_mut().filter(|_| is_late).unwrap_or(&mut self.main);
        *reached = Some(server.history);
        server
    }

    fn run(&mut self, step: Step) {
        self.time += 10;
        match step {
            Step::Produce { user, value } => self.records.push((user, value)),
            Step::Poll(process) => self.poll(process),
            Step::Fold { process, which, on_old } => self.fold(process, which, on_old),
            Step::Confirm { process, on_old, answered } => self.confirm(process, on_old, answered),
            Step::Publish(process) => self.publish(process),
            Step::Read { process, on_old } => self.read(process, on_old),
            Step::Start { process, on_old } => self.start(process, on_old),
            Step::Promote { lost, slower_by, old_lives } => self.promote(lost, slower_by, old_lives),
            Step::OldDies => self.old = None,
            Step::Crash(process) => {
                self.processes[process] = Process::new();
                if self.owner == process {
                    self.owner = (process + 1) % PROCESSES;
                    self.processes[self.owner].assign();
                }
            }
            Step::Rebalance { notices } => {
                let before = self.owner;
                self.owner = (before + 1) % PROCESSES;
                if notices {
                    self.confirm(before, false, true);
                    self.processes[before].give_up();
                }
                self.processes[self.owner].assign();
            }
            Step::Notice(process) => {
                if process != self.owner {
                    self.processes[process].give_up();
                }
            }
        }
    }

    fn poll(&mut self, process: usize) {
        let end = i64::try_from(self.records.len()).unwrap();
        let process = &mut self.processes[process];
        if process.next < end
            && let Some(ticket) = process.assignment.charge(PARTITION, process.next, 1, None)
        {
            process.in_flight.push((ticket, process.next));
            process.next += 1;
        }
    }

    fn fold(&mut self, process: usize, which: usize, on_old: bool) {
        let time = self.time;
        let open = self.processes[process].in_flight.len();
        if open == 0 {
            return;
        }
        // The folds of a user are serialized.
        let in_flight = &self.processes[process].in_flight;
        let user_at = |offset: i64| self.records[usize::try_from(offset).unwrap()].0;
        let user = user_at(in_flight[which % open].1);
        let first = in_flight.iter().position(|(_, offset)| user_at(*offset) == user).unwrap();
        let (ticket, offset) = self.processes[process].in_flight.remove(first);
        if !self.processes[process].assignment.are_current([ticket].into_iter())[0] {
            return;
        }
        let (user, value) = self.records[usize::try_from(offset).unwrap()];
        let revisions = self.processes[process].revisions.clone();
        let server = self.server(process, on_old);
        let history = server.history;
        let clock = revisions.at(time - server.slower_by, history);
        let mut content = server.content().clone();
        let state = &mut content.users[user];
        let applied = offset + 1 > state.stamp;
        if applied {
            (state.stamp, state.value) = (offset + 1, value);
        }
        let ranking = state.ranking();
        let mut change = None;
        if ticket.is_in_repair || (applied && ranking != state.published) {
            state.revision = (state.revision + 1).max(clock);
            state.published = ranking;
            revisions.see(state.revision);
            change = Some(Change { user, revision: state.revision, ranking: ranking.unwrap() });
        }
        content.outbox.extend(change);
        if applied || change.is_some() {
            server.commit(content);
        }
        if let Some(change) = change {
            let before = self.minted.insert((user, change.revision), change.ranking);
            assert!(before.is_none_or(|ranking| ranking == change.ranking), "one revision, two contents: {change:?}");
        }
        let process = &mut self.processes[process];
        process.handed_over.extend(change);
        process.assignment.finish([(ticket, Finish::Accepted(Histories::One(history)))]);
    }

    fn confirm(&mut self, process: usize, on_old: bool, answered: bool) {
        let claims: Vec<PartitionClaim> = self.processes[process].assignment.claims(None);
        let Some(PartitionClaim { claim, .. }) = claims.first().copied() else { return };
        let server = self.server(process, on_old);
        let mut content = server.content().clone();
        let mut answers = HashMap::new();
        if let Some(stored) = content.position {
            if may_raise(&claim, stored.next_offset, server.history) {
                content.position = Some(StoredPosition {
                    next_offset: stored.next_offset.max(claim.next_offset),
                    history: if claim.repairs { stored.history } else { Some(server.history) },
                });
                answers.insert(KEY, Answer::Raised);
            } else {
                answers.insert(KEY, Answer::Lost { stored: stored.next_offset });
            }
            server.commit(content);
        }
        if !answered {
            return;
        }
        let is_owner = process == self.owner;
        let process = &mut self.processes[process];
        let outcome = process.assignment.answer(&claims, &answers);
        if !outcome.lost.is_empty() {
            process.revisions.raise();
            process.epoch = Some(process.assignment.restart(&[PARTITION])[0].1);
            (process.waits, process.rewinds) = (true, true);
            process.in_flight.clear();
        }
        for confirmed in process.assignment.take_confirmed(None) {
            // The group refuses the commit of a process that it has gone on without.
            if is_owner {
                let metadata = metadata(KEY.topic_id, confirmed.offset, process.revisions.highest());
                self.committed = Some((confirmed.offset, metadata));
            }
        }
    }

    /// Produces what was handed over, and what the outbox holds; then, until none is higher, the users' published revisions.
    fn publish(&mut self, process: usize) {
        let mut pending: Vec<Change> = std::mem::take(&mut self.processes[process].handed_over);
        pending.extend(&self.main.content().outbox);
        let mut last: BTreeMap<usize, i64> = BTreeMap::new();
        for change in &pending {
            self.changes.push(*change);
            last.insert(change.user, change.revision);
        }
        let mut content = self.main.content().clone();
        for (user, revision) in last {
            let state = &content.users[user];
            if state.revision > revision {
                self.changes.push(Change { user, revision: state.revision, ranking: state.published.unwrap() });
            }
        }
        if !content.outbox.is_empty() {
            content.outbox.clear();
            self.main.commit(content);
        }
    }

    fn read(&mut self, index: usize, on_old: bool) {
        let process = &self.processes[index];
        let Some(epoch) = process.epoch.filter(|_| process.waits) else { return };
        let rewinds = process.rewinds;
        let committed =
            self.committed.as_ref().map(|(offset, text)| Committed::new(*offset, text.as_bytes(), KEY.topic_id));
        let high = i64::try_from(self.records.len()).unwrap();
        let server = self.server(index, on_old);
        let row = server.content().position.map_or(PositionRow::NeverStarted, PositionRow::Stored);
        let facts = Facts { committed, row, present: server.history, low: 0, high, rewinds };
        self.processes[index].read = Some((epoch, facts));
    }

    fn start(&mut self, index: usize, on_old: bool) {
        let process = &mut self.processes[index];
        let Some((epoch, facts)) = process.read.take() else { return };
        if process.epoch != Some(epoch) || !process.waits {
            return;
        }
        let start = facts.start(InitialOffset::Earliest, OutOfRange::Stop).unwrap();
        if let Some(Committed::Ours { revision, .. }) = facts.committed {
            process.revisions.see(revision);
        }
        if start.repairs {
            process.revisions.raise();
        }
        if let Some(position) = start.position {
            let server = self.server(index, on_old);
            let content = server.content().clone();
            if server.history != facts.present || content.position.map(PositionRow::Stored) != Some(facts.row) {
                return;
            }
            server.commit(Content { position: Some(position), ..content });
        }
        let committed = facts.committed.and_then(|committed| match committed {
            Committed::Ours { offset, .. } => Some(offset),
            _ => None,
        });
        let started = Started {
            key: KEY,
            at: start.at,
            history: facts.present,
            repair_until: start.repairs.then_some(facts.high),
            committed,
        };
        let process = &mut self.processes[index];
        assert!(process.assignment.start(PARTITION, epoch, &started));
        process.waits = false;
        process.next = start.at;
    }

    fn promote(&mut self, lost: usize, slower_by: i64, old_lives: bool) {
        let mut promoted = self.main.clone();
        promoted.log.truncate(promoted.log.len().saturating_sub(lost).max(1));
        promoted.history = History(promoted.history.0 + 1);
        promoted.slower_by = slower_by;
        let before = std::mem::replace(&mut self.main, promoted);
        self.old = old_lives.then_some(before);
    }

    /// Everything works again: reads and publishes the rest.
    fn settle(&mut self) {
        self.old = None;
        for process in 0..PROCESSES {
            if process != self.owner {
                self.processes[process].give_up();
            }
        }
        let owner = self.owner;
        let end = i64::try_from(self.records.len()).unwrap();
        for _ in 0..20 {
            self.time += 1_000;
            self.read(owner, false);
            self.start(owner, false);
            for _ in 0..=self.records.len() {
                self.poll(owner);
                self.fold(owner, 0, false);
            }
            self.confirm(owner, false, true);
            if !self.processes[owner].waits && self.committed.as_ref().is_some_and(|(offset, _)| *offset == end) {
                break;
            }
        }
        for process in 0..PROCESSES {
            self.publish(process);
        }
    }

    fn assert_right(&self) {
        let mut expected: [UserState; USERS] = Default::default();
        for (offset, (user, value)) in (0..).zip(&self.records) {
            (expected[*user].stamp, expected[*user].value) = (offset + 1, *value);
        }
        let end = i64::try_from(self.records.len()).unwrap();
        assert_eq!(self.committed.as_ref().map(|(offset, _)| *offset), Some(end), "everything is committed");
        for (user, (state, expected)) in self.main.content().users.iter().zip(&expected).enumerate() {
            assert_eq!((state.stamp, state.ranking()), (expected.stamp, expected.ranking()), "the row of user {user}");
            let of_user: Vec<&Change> = self.changes.iter().filter(|change| change.user == user).collect();
            let last = of_user.last().map(|change| change.ranking);
            assert_eq!(last, state.ranking(), "the last record of user {user}");
            let highest = of_user.iter().max_by_key(|change| change.revision).map(|change| change.ranking);
            assert_eq!(highest, state.ranking(), "the newest revision of user {user}");
        }
    }
}

fn check(steps: &[Step]) {
    let mut world = World::new();
    world.run(Step::Produce { user: 0, value: 1 });
    steps.iter().for_each(|step| world.run(*step));
    world.settle();
    world.assert_right();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12_000, max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_lost_rows_and_topic_end_right(steps in prop::collection::vec(step(Faults::All), 1..120)) {
        check(&steps);
    }

    #[test]
    fn servers_with_slower_clocks_mint_no_revision_twice_and_none_below_a_published_one(
        steps in prop::collection::vec(step(Faults::SlowerClocks), 1..120),
    ) {
        check(&steps);
    }
}

#[test]
fn a_process_that_wakes_in_the_middle_of_a_start_does_not_raise_the_position_of_another_server() {
    let read = |process| Step::Read { process, on_old: false };
    let start = |process| Step::Start { process, on_old: false };
    let promote = |lost| Step::Promote { lost, slower_by: 0, old_lives: false };
    check(&[
        read(0),
        start(0),
        Step::Poll(0),
        Step::Fold { process: 0, which: 0, on_old: false },
        Step::Confirm { process: 0, on_old: false, answered: true },
        Step::Rebalance { notices: true },
        promote(0),
        read(1),
        Step::Rebalance { notices: false },
        // All but the first position is lost.
        promote(9),
        read(0),
        start(0),
        start(1),
        Step::Crash(0),
    ]);
}
