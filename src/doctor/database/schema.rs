//! Verdicts on the schema: migrations, columns, indexes, triggers, the platform's users.

use super::{Facts, Index, Needs};
use crate::doctor::finding::{Check, Finding};
use crate::doctor::words::list;
use crate::store::migrate::SEGMENT_COLUMNS;
use crate::store::schema::SchemaStatus;

const MIGRATIONS: Check = Check::database("migrations");
const COLUMNS: Check = Check::database("columns");
const INDEXES: Check = Check::database("indexes");
const SUPERFLUOUS: Check = Check::database("superfluous index");
const TRIGGERS: Check = Check::database("triggers");
const USERS: Check = Check::database("users");

/// What the migrations put on the states.
const OUR_TRIGGERS: [&str; 2] = ["remember_departed", "rename_user"];

const MIGRATE: &str = "`segmenter migrate run` as the owner of the tables (`--dry-run` shows the steps).";

pub(super) fn migrations(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let status = match &facts.schema {
        Ok(status) => status,
        Err(untold) => return vec![MIGRATIONS.unchecked("The migrations", untold)],
    };
    let sentence = format!("the schema is {status}.");
    vec![match status {
        SchemaStatus::Current | SchemaStatus::NewerCompatible { .. } => MIGRATIONS.ok(sentence),
        SchemaStatus::Missing | SchemaStatus::Behind { .. } => MIGRATIONS.problem(sentence, MIGRATE),
        SchemaStatus::TooNew { .. } => MIGRATIONS.problem(sentence, "Start a newer version of segmenter."),
        SchemaStatus::Modified { .. } | SchemaStatus::Foreign { .. } => MIGRATIONS.problem(
            sentence,
            "Find out which build migrated the database (`segmenter migrate info`); do not edit the books.",
        ),
        SchemaStatus::Damaged { .. } => {
            MIGRATIONS.problem(sentence, "Restore the columns, or `segmenter migrate revert --all` and run them anew.")
        }
    }]
}

/// Whether the migrations are applied, so that what they made should be there.
pub(super) fn is_migrated(facts: &Facts) -> bool {
    facts.schema.as_ref().is_ok_and(SchemaStatus::is_usable)
}

/// The four columns with their types; that some are missing the migrations' status says too.
pub(super) fn columns(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let columns = match &facts.columns {
        Ok(columns) => columns,
        Err(untold) => return vec![COLUMNS.unchecked("The four segment columns", untold)],
    };
    let found = |name: &str| columns.iter().find(|(found, _)| found == name).map(|(_, of_type)| of_type.as_str());
    let missing: Vec<&str> =
        SEGMENT_COLUMNS.iter().filter(|(name, _)| found(name).is_none()).map(|(name, _)| *name).collect();
    let wrong = SEGMENT_COLUMNS.iter().filter_map(|(name, wanted)| {
        let of_type = found(name).filter(|of_type| of_type != wanted)?;
        Some(format!("{name} is {of_type} and not {wanted}"))
    });
    let wrong = list(wrong);
    vec![if !missing.is_empty() {
        COLUMNS.problem(format!("public.user_vectors has no {}.", list(missing)), MIGRATE)
    } else if !wrong.is_empty() {
        COLUMNS.problem(
            format!("in public.user_vectors {wrong}."),
            "Let the platform's schema give them the types of its migration IA-002.1.",
        )
    } else {
        COLUMNS.ok("public.user_vectors has the four segment columns.")
    }]
}

/// Whether every index is used, and the one on the primary segment there.
pub(super) fn indexes(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let indexes = match &facts.indexes {
        Ok(indexes) => indexes,
        Err(untold) => return vec![INDEXES.unchecked("The indexes", untold)],
    };
    let mut findings: Vec<Finding> = indexes.iter().filter(|index| !index.valid).map(invalid).collect();
    if is_migrated(facts) && !indexes.iter().any(|index| index.on_primary_segment) {
        findings.push(INDEXES.problem("public.user_vectors has no index on \"primarySegment\".", MIGRATE));
    }
    if findings.is_empty() {
        findings.push(INDEXES.ok("every index is valid."));
    }
    findings
}

fn invalid(index: &Index) -> Finding {
    let sentence = format!(
        "{} is invalid: every write keeps it up, and no query uses it (unless it is being built just now).",
        index.name
    );
    INDEXES.problem(
        sentence,
        if index.on_primary_segment {
            "`segmenter migrate run` builds it anew, concurrently.".to_owned()
        } else {
            format!("reindex index concurrently {};", index.name)
        },
    )
}

/// Indexes that a unique index makes superfluous, and that every changed row pays for.
pub(super) fn superfluous_indexes(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let indexes = facts.indexes.as_deref().unwrap_or_default();
    let repeating = indexes.iter().filter(|index| index.table == "user_vectors");
    repeating
        .filter_map(|index| Some((index, index.repeats.as_ref()?)))
        .map(|(index, repeated)| {
            SUPERFLUOUS.warning(
                format!(
                    "{} only repeats the unique index {repeated}; to keep it up costs about a third of the rate of writes.",
                    index.name
                ),
                format!("It is the platform's, which we never drop; its owner may: drop index concurrently {};", index.name),
            )
        })
        .collect()
}

/// Without them nobody hears of users who are deleted or renamed.
pub(super) fn triggers(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let triggers = match &facts.triggers {
        Ok(triggers) => triggers,
        Err(untold) => return vec![TRIGGERS.unchecked("The triggers on segmenter.profile_states", untold)],
    };
    if !is_migrated(facts) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for name in OUR_TRIGGERS {
        match triggers.iter().find(|(found, _)| found == name) {
            Some((_, true)) => {}
            Some((_, false)) => findings.push(TRIGGERS.problem(
                format!("the trigger {name} on segmenter.profile_states is disabled: users who go are not remembered or said."),
                format!("alter table segmenter.profile_states enable trigger {name};"),
            )),
            None => findings.push(TRIGGERS.problem(
                format!("the trigger {name} on segmenter.profile_states is missing: users who go are not remembered or said."),
                "Restore it from migrations/0003_profile_states.up.sql.",
            )),
        }
    }
    if findings.is_empty() {
        findings.push(TRIGGERS.ok("deleted and renamed users are noticed."));
    }
    findings
}

/// Whether the platform's users are there, and states go with them.
pub(super) fn users(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let platform = match &facts.platform {
        Ok(platform) => platform,
        Err(untold) => return vec![USERS.unchecked("The platform's users", untold)],
    };
    vec![match (platform.has_users, platform.states_follow_users) {
        (true, false) if is_migrated(facts) => USERS.warning(
            "public.users exists, and states do not go with their users: it came after our migrations.",
            "`segmenter migrate revert --all` and `run` make the foreign key; the runbook says what that loses.",
        ),
        (true, _) => USERS.ok("public.users exists: only its users have segments, and states go with them."),
        (false, _) => USERS.ok("there is no public.users: whoever sends an event is a user."),
    }]
}
