//! Folds that are stopped between reading states and writing them.

use std::time::Duration;

use segmenter::domain::event::Event;
use segmenter::store::apply::{Progress, Tally};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::*;
use crate::support::{Database, eventually};

/// A stopped fold: the statement that writes its states has begun and waits for the gate to open.
pub struct Stopped<'d> {
    database: &'d Database,
    folding: tokio::task::JoinHandle<(Vec<ItemOutcome>, Tally)>,
}

impl<'d> Stopped<'d> {
    pub async fn fold(database: &'d Database, events: &[Event]) -> Self {
        let gate = "create table gate ();
            create function wait_at_gate() returns trigger language plpgsql as $$ begin
                while current_setting('application_name') = 'stopped' and not exists (select from gate) loop
                    perform pg_sleep(0.01);
                end loop;
                return null;
            end $$;
            create trigger wait_at_gate before update on segmenter.profile_states
            for each statement execute function wait_at_gate()";
        database.run(gate).await;
        let options: PgConnectOptions = database.url().parse().unwrap();
        let store = store_on(&PgPoolOptions::new().connect_lazy_with(options.application_name("stopped"))).await;
        let events = events.to_vec();
        let folding = tokio::spawn(async move {
            let mut progress = Progress::new(&events);
            store.advance(&mut progress).await.unwrap();
            let tally = progress.tally;
            (progress.into_outcomes().collect(), tally)
        });
        let waits = "select exists (select from pg_stat_activity
            where application_name = 'stopped' and wait_event = 'PgSleep' and datname = current_database())";
        eventually(Duration::from_secs(30), "the fold to wait at the gate", || async {
            sqlx::query_scalar(waits).fetch_one(database.pool()).await.unwrap()
        })
        .await;
        Self { database, folding }
    }

    /// Opens the gate; returns the outcomes and the tally of the fold.
    pub async fn go_on(self) -> (Vec<ItemOutcome>, Tally) {
        self.database.run("insert into gate default values").await;
        self.folding.await.unwrap()
    }
}
