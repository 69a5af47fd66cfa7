//! Verdicts on what we keep: the outbox, states and rows, the catalog that scored them.

use std::time::Duration;

use super::schema::is_migrated;
use super::{Facts, Needs};
use crate::doctor::finding::{Check, Finding};
use crate::doctor::words::{count, span};

const OUTBOX: Check = Check::database("outbox");
const ROWS: Check = Check::database("rows");
const CATALOG: Check = Check::database("catalog");

/// What waits longer has outlived the lease of a dead process twice, and nobody has taken it over.
const LONG: Duration = Duration::from_secs(60);

pub(super) fn outbox(facts: &Facts, needs: &Needs) -> Vec<Finding> {
    let outbox = match &facts.outbox {
        Ok(outbox) => outbox,
        Err(_) if !is_migrated(facts) => return Vec::new(),
        Err(untold) => return vec![OUTBOX.unchecked("What waits to be said", untold)],
    };
    let age = span(outbox.oldest.as_secs() * 1_000);
    let rows = count(u64::try_from(outbox.rows).unwrap_or_default(), "row waits", "rows wait");
    vec![if outbox.rows >= needs.max_outbox_rows {
        OUTBOX.warning(
            format!("{rows} to be said, the oldest for {age}; no more events are taken in (outbox.max_depth)."),
            "See \"The outbox is deep\" in the runbook. Never delete rows.",
        )
    } else if outbox.rows > 0 && outbox.oldest >= LONG {
        OUTBOX.warning(
            format!("{rows} to be said, the oldest for {age}."),
            "Start a process if none runs; else see \"The outbox is deep\" in the runbook. Never delete rows.",
        )
    } else if outbox.rows > 0 {
        OUTBOX.ok(format!("{rows} to be said, none for long."))
    } else {
        OUTBOX.ok("everything is said.")
    }]
}

/// Whether somebody has deleted rows of ours.
pub(super) fn rows(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let without = match &facts.states_without_rows {
        Ok(without) => u64::try_from(*without).unwrap_or_default(),
        Err(_) if !is_migrated(facts) => return Vec::new(),
        Err(untold) => return vec![ROWS.unchecked("Whether every state has its row", untold)],
    };
    vec![if without > 0 {
        ROWS.warning(
            format!(
                "{} segments that were said and no row in public.user_vectors: something else has deleted it.",
                count(without, "user has", "users have")
            ),
            "Find out what deletes rows; a user's next event that changes the profile writes the row again.",
        )
    } else {
        ROWS.ok("every user whose segments were said has a row.")
    }]
}

/// Whether a newer catalog has scored users, which this process would refuse to meet.
pub(super) fn catalog(facts: &Facts, needs: &Needs) -> Vec<Finding> {
    let Some(ours) = needs.catalog_version else { return Vec::new() };
    let newest = match &facts.newest_catalog {
        Ok(newest) => *newest,
        Err(_) if !is_migrated(facts) => return Vec::new(),
        Err(untold) => return vec![CATALOG.unchecked("Which catalog has scored users", untold)],
    };
    vec![if newest > ours {
        CATALOG.problem(
            format!(
                "users are scored with catalog {newest}, and this process has {ours}: it would end with exit code 3."
            ),
            "Start the version, or set the catalog.file, that has the newer catalog.",
        )
    } else {
        CATALOG.ok(format!("no user is scored with a newer catalog than this process has ({ours})."))
    }]
}
