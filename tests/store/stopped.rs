//! Folds that are stopped between two of their statements.

use std::time::Duration;

use segmenter::domain::event::Event;
use segmenter::store::apply::{Progress, Tally};
use segmenter::store::error::ErrorClass;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

use super::*;
use crate::support::{Database, eventually};

/// A stopped fold: one of its statements has begun, or has ended, and waits for a gate to open.
pub struct Stopped<'d> {
    database: &'d Database,
    gate: String,
    folding: tokio::task::JoinHandle<(Vec<ItemOutcome>, Tally)>,
}

impl<'d> Stopped<'d> {
    /// A fold that has read states and has not written them.
    pub async fn fold(database: &'d Database, events: &[Event]) -> Self {
        Self::at(database, "before update on segmenter.profile_states", events).await
    }

    /// A fold that is stopped at this moment, in the words of a trigger.
    pub async fn at(database: &'d Database, moment: &str, events: &[Event]) -> Self {
        let gate = format!("gate_{}", Uuid::new_v4().simple());
        let closed = format!(
            "create table {gate} ();
             create function wait_at_{gate}() returns trigger language plpgsql as $$ begin
                 while current_setting('application_name') = '{gate}' and not exists (select from {gate}) loop
                     perform pg_sleep(0.01);
                 end loop;
                 return null;
             end $$;
             create trigger wait_at_{gate} {moment} for each statement execute function wait_at_{gate}()"
        );
        database.run(closed).await;
        let options: PgConnectOptions = database.url().parse().unwrap();
        let store = store_on(&PgPoolOptions::new().connect_lazy_with(options.application_name(&gate))).await;
        let events = events.to_vec();
        let folding = tokio::spawn(async move {
            let mut progress = Progress::new(&events);
            while let Err(error) = store.advance(&mut progress).await {
                assert_eq!(error.class(), Some(ErrorClass::Conflict), "{error}");
            }
            let tally = progress.tally;
            (progress.into_outcomes().collect(), tally)
        });
        let waits = "select exists (select from pg_stat_activity
            where application_name = $1 and wait_event = 'PgSleep' and datname = current_database())";
        eventually(Duration::from_secs(30), "the fold to wait at the gate", || async {
            sqlx::query_scalar(waits).bind(&gate).fetch_one(database.pool()).await.unwrap()
        })
        .await;
        Self { database, gate, folding }
    }

    /// Opens the gate; the fold goes on.
    pub async fn open(&self) {
        self.database.run(format!("insert into {} default values", self.gate)).await;
    }

    /// Whether the fold has ended.
    pub fn has_ended(&self) -> bool {
        self.folding.is_finished()
    }

    /// Opens the gate; returns the outcomes and the tally of the fold.
    pub async fn go_on(self) -> (Vec<ItemOutcome>, Tally) {
        self.open().await;
        self.folding.await.unwrap()
    }
}
