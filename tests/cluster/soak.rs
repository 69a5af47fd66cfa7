//! A random schedule of all faults under load. Short and always the same in the usual run; `make soak` runs another one for an hour.
//! `SOAK_SEED` repeats a schedule, `SOAK_SECONDS` sets its length.

use std::time::{Duration, Instant};

use super::bed::{Bed, CLIENTS, Stage};
use super::schedule::{Broker, Fault, Links, Old, Then};
use crate::faults::rounds;
use crate::scene::{DEADLINE, Numbers};
use crate::support::{BROKERS, Cut};

const POINTS: [&str; 6] =
    ["before-commit", "after-commit", "before-publish", "after-acks", "before-outbox-delete", "before-offset-commit"];

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// The schedule.
struct Chance(Numbers);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.0.below(limit as u64)).unwrap()
    }

    fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len())]
    }

    fn seconds(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_secs(least + self.0.below(most - least + 1))
    }

    fn fault(&mut self) -> Fault {
        let client = self.below(CLIENTS);
        let broker = Broker::Number(self.below(BROKERS));
        match self.below(20) {
            0 | 1 => Fault::KillProcess(client),
            2 => Fault::Terminate(client),
            3 | 4 => Fault::Pause(client),
            5 | 6 => Fault::ResumeAll,
            7 | 8 => Fault::Slow(client, self.one_of(&POINTS)),
            9 => Fault::CrashDatabase,
            10 => Fault::CutCommit(client, self.one_of(&[Cut::BeforeCommit, Cut::AfterCommit])),
            11..=13 => Fault::Promote {
                lost: Duration::from_millis(self.one_of(&[0, 100, 500, 900, 6_000])),
                clock: self.one_of(&[0, 0, -30]),
                old: self.one_of(&[Old::Dies, Old::Vanishes, Old::KeepsHalfFor10s]),
            },
            14 => Fault::Restore { age: self.seconds(1, 10) },
            15 => {
                let broker = self.one_of(&[broker, Broker::Leader, Broker::Coordinator, Broker::Controller]);
                let time = self.seconds(1, 8);
                self.one_of(&[Fault::Kill(broker, time), Fault::PauseBroker(broker, time)])
            }
            16 => Fault::KillTwo(self.seconds(1, 8)),
            17 => Fault::Restarts,
            _ => {
                let all = [
                    Links::Databases,
                    Links::Database,
                    Links::To(broker),
                    Links::To(Broker::Coordinator),
                    Links::ToAllBut(Broker::Coordinator),
                ];
                Fault::Swallow(
                    self.one_of(&all),
                    self.seconds(2, 20),
                    self.one_of(&[Then::TheyPass, Then::TheyAreLost]),
                )
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_random_schedule_of_faults_leaves_everything_right() {
    let length = Duration::from_secs(number_from("SOAK_SECONDS").unwrap_or(1));
    let seed = number_from("SOAK_SEED").unwrap_or(1);
    println!("SOAK_SEED={seed}");
    let mut bed = Bed::new(Stage { rate: 40, seed, ..Stage::of(CLIENTS) }).await;
    let mut chance = Chance(Numbers(seed));
    let started = Instant::now();
    while started.elapsed() < length {
        bed.load.resume();
        for _ in 0..rounds(4, 8) {
            let fault = chance.fault();
            println!("{:>6.1} s: {fault:?}", started.elapsed().as_secs_f64());
            bed.happens(fault).await;
            bed.assert_all_run();
        }
        bed.happens(Fault::ResumeAll).await;
        bed.rows_are_right(DEADLINE).await;
        bed.scene.expire_leases().await;
        bed.everything_is_right().await;
        println!("{:>6.1} s: everything is right", started.elapsed().as_secs_f64());
    }
}
