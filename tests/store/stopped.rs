//! Folds that are stopped in the middle of their transaction.

use std::time::Duration;

use segmenter::event::Event;
use segmenter::store::apply::{Progress, Tally};
use segmenter::store::drawn_ids::DrawnIds;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::*;
use crate::support::{Database, eventually};

/// What a stopped fold is about to write.
#[derive(Debug, Clone, Copy)]
pub enum Before {
    /// States, which it has read.
    States,
    /// Rows, whose states it has written.
    Rows,
}

/// A fold that has stopped: its statement has begun, and waits for the gate to open.
pub struct Stopped<'d> {
    database: &'d Database,
    folding: tokio::task::JoinHandle<(Vec<Ending>, Tally)>,
    /// The ids of outbox rows that it has drawn.
    pub drawn: DrawnIds,
}

impl<'d> Stopped<'d> {
    pub async fn fold(database: &'d Database, before: Before, events: &[Event]) -> Self {
        let statements = match before {
            Before::States => "update on segmenter.profile_states",
            Before::Rows => "insert on public.user_vectors",
        };
        let gate = "create table gate ();
            create function wait_at_gate() returns trigger language plpgsql as $$ begin
                while current_setting('application_name') = 'stopped' and not exists (select from gate) loop
                    perform pg_sleep(0.01);
                end loop;
                return null;
            end $$;
            create trigger wait_at_gate before";
        database.run(format!("{gate} {statements} for each statement execute function wait_at_gate()")).await;
        let options: PgConnectOptions = database.url().parse().unwrap();
        let store = store_on(&PgPoolOptions::new().connect_lazy_with(options.application_name("stopped"))).await;
        let drawn = store.drawn.clone();
        let events = events.to_vec();
        let folding = tokio::spawn(async move {
            let mut progress = Progress::new(&events);
            store.advance(&mut progress).await.unwrap();
            let tally = progress.tally;
            (progress.into_endings().collect(), tally)
        });
        let waits = "select exists (select from pg_stat_activity
            where application_name = 'stopped' and wait_event = 'PgSleep' and datname = current_database())";
        eventually(Duration::from_secs(30), "the fold to stand at the gate", || async {
            sqlx::query_scalar(waits).fetch_one(database.pool()).await.unwrap()
        })
        .await;
        Self { database, folding, drawn }
    }

    /// Lets the fold go on; gives the endings, and how many users were folded again.
    pub async fn go_on(self) -> (Vec<Ending>, u64) {
        self.database.run("insert into gate default values").await;
        let (endings, tally) = self.folding.await.unwrap();
        (endings, tally.conflicts)
    }
}
