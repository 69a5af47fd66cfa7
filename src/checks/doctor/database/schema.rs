//! Checks of the schema: migrations, columns, indexes, triggers, the platform's users.

use serde::Deserialize;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::checks::doctor::finding::{Answer, Findings};
use crate::checks::doctor::words::list;
use crate::migrate::schema::{Platform, SchemaStatus};
use crate::migrate::{self, SEGMENT_COLUMNS};

/// The triggers that the migrations create on the states.
const OUR_TRIGGERS: [&str; 2] = ["remember_deleted_user", "rename_user"];

const MIGRATE: &str = "`segmenter migrate run` as the owner of the tables (`--dry-run` shows the steps).";

pub(super) fn migrations(status: Answer<SchemaStatus>, found: &mut Findings) {
    let Some(status) = found.begin_with("migrations", "The migrations", status) else { return };
    let finding = format!("the schema is {status}.");
    match status {
        SchemaStatus::Current | SchemaStatus::NewerCompatible { .. } => found.ok(finding),
        SchemaStatus::Missing | SchemaStatus::Behind { .. } => found.problem(finding, MIGRATE),
        SchemaStatus::TooNew { .. } => found.problem(finding, "Start a newer version of segmenter."),
        SchemaStatus::Modified { .. } | SchemaStatus::Foreign { .. } => found.problem(
            finding,
            "Find out which build migrated the database (`segmenter migrate info`); do not edit the migration table.",
        ),
        SchemaStatus::Damaged { .. } => {
            found.problem(
                finding,
                "Restore the columns, or run `segmenter migrate revert --all` and then `segmenter migrate run`.",
            );
        }
    }
}

/// The four columns with their types; `None` if one is missing.
pub(super) type Columns = [(&'static str, Option<String>); 4];

pub(super) async fn read_columns(connection: &mut PgConnection) -> Result<Columns, sqlx::Error> {
    let facts = migrate::PlatformSchema::read(connection).await?;
    Ok(SEGMENT_COLUMNS.map(|(name, _)| (name, facts.column_type(name).map(str::to_owned))))
}

/// Whether the four columns exist with the right types. The status of the migrations also shows missing ones.
pub(super) fn columns(columns: Answer<Columns>, found: &mut Findings) {
    let Some(columns) = found.begin_with("columns", "The four segment columns", columns) else { return };
    let missing = list(columns.iter().filter(|(_, of_type)| of_type.is_none()).map(|(name, _)| *name));
    let wrong = list(columns.iter().zip(SEGMENT_COLUMNS).filter_map(|((name, of_type), (_, wanted))| {
        let of_type = of_type.as_deref().filter(|of_type| *of_type != wanted)?;
        Some(format!("{name} is {of_type} and not {wanted}"))
    }));
    if !missing.is_empty() {
        found.problem(format!("public.user_vectors has no {missing}."), MIGRATE);
    } else if !wrong.is_empty() {
        let remedy = "Change the columns to the types of the platform's migration IA-002.1.";
        found.problem(format!("in public.user_vectors {wrong}."), remedy);
    }
    found.ok("public.user_vectors has the four segment columns.");
}

/// An index on `public.user_vectors` or on a table of schema `segmenter`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Index {
    /// Quoted as in SQL.
    pub name: String,
    /// Whether its table is `user_vectors`.
    pub of_vectors: bool,
    pub valid: bool,
    /// A unique index on the same columns, which makes this one superfluous.
    pub repeats: Option<String>,
    /// Whether `"primarySegment"` is its only column.
    pub on_primary_segment: bool,
}

pub(super) async fn read_indexes(connection: &mut PgConnection) -> Result<Vec<Index>, sqlx::Error> {
    // An index repeats a unique one if it has the same columns, with the same operators and collations, and no
    // condition.
    let Json(indexes) = sqlx::query_scalar(
        r#"
        select coalesce(jsonb_agg(jsonb_build_object(
          'name', format('%I.%I', n.nspname, c.relname), 'of_vectors', t.relname = 'user_vectors',
          'valid', i.indisvalid and i.indisready,
          'repeats', (
            select format('%I.%I', un.nspname, uc.relname)
              from pg_index u join pg_class uc on uc.oid = u.indexrelid join pg_namespace un on un.oid = uc.relnamespace
             where u.indrelid = i.indrelid and u.indexrelid <> i.indexrelid and u.indisunique and u.indisvalid
               and not i.indisunique and i.indpred is null and u.indpred is null and i.indexprs is null
               and u.indkey::text = i.indkey::text and u.indclass::text = i.indclass::text
               and u.indcollation::text = i.indcollation::text and u.indoption::text = i.indoption::text
             limit 1),
          'on_primary_segment', t.relname = 'user_vectors' and i.indnkeyatts = 1 and i.indpred is null and exists (
            select from pg_attribute a
             where a.attrelid = i.indrelid and a.attnum = i.indkey[0] and a.attname = 'primarySegment')
        ) order by n.nspname, c.relname), '[]')
          from pg_index i
          join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
          join pg_class t on t.oid = i.indrelid
         where n.nspname = 'segmenter' or (n.nspname = 'public' and t.relname = 'user_vectors')"#,
    )
    .fetch_one(connection)
    .await?;
    Ok(indexes)
}

/// Whether every index is valid, the one on the primary segment exists, and none is superfluous.
pub(super) fn indexes(indexes: Answer<Vec<Index>>, is_migrated: bool, found: &mut Findings) {
    let Some(indexes) = found.begin_with("indexes", "The indexes", indexes) else { return };
    for Index { name, on_primary_segment, .. } in indexes.iter().filter(|index| !index.valid) {
        found.problem(
            format!(
                "{name} is invalid: every write maintains it, and no query uses it (unless it is being built now)."
            ),
            if *on_primary_segment {
                "`segmenter migrate run` rebuilds it concurrently.".to_owned()
            } else {
                format!("reindex index concurrently {name};")
            },
        );
    }
    if is_migrated && !indexes.iter().any(|index| index.on_primary_segment) {
        found.problem("public.user_vectors has no index on \"primarySegment\".", MIGRATE);
    }
    found.ok("every index is valid.");

    found.begin("superfluous index");
    for Index { name, repeats, .. } in indexes.iter().filter(|index| index.of_vectors) {
        let Some(repeated) = repeats else { continue };
        found.warning(
            format!("{name} only repeats the unique index {repeated}; it costs about a third of the write rate."),
            format!("The index belongs to the platform; its owner can drop it: drop index concurrently {name};"),
        );
    }
}

/// The triggers on the states: name, and whether it is enabled.
pub(super) async fn read_triggers(connection: &mut PgConnection) -> Result<Vec<(String, bool)>, sqlx::Error> {
    sqlx::query_as(
        "select g.tgname::text, g.tgenabled in ('O', 'A')
           from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = 'segmenter' and c.relname = 'profile_states' and not g.tgisinternal",
    )
    .fetch_all(connection)
    .await
}

/// Whether both triggers are enabled: they notice deleted and renamed users.
pub(super) fn triggers(triggers: Answer<Vec<(String, bool)>>, is_migrated: bool, found: &mut Findings) {
    let subject = "The triggers on segmenter.profile_states";
    let Some(triggers) = found.begin_with("triggers", subject, triggers).filter(|_| is_migrated) else { return };
    for name in OUR_TRIGGERS {
        let (is, remedy) = match triggers.iter().find(|(found, _)| found == name) {
            Some((_, true)) => continue,
            Some((_, false)) => ("disabled", format!("alter table segmenter.profile_states enable trigger {name};")),
            None => ("missing", "Restore it from migrations/0003_profile_states.up.sql.".to_owned()),
        };
        found.problem(
            format!(
                "the trigger {name} on segmenter.profile_states is {is}: deleted or renamed users are not noticed, and no \
                 tombstone is published for them."
            ),
            remedy,
        );
    }
    found.ok("deleted and renamed users are noticed.");
}

/// Whether the platform's users exist, and deleting a user deletes the state.
pub(super) fn users(platform: Answer<Platform>, is_migrated: bool, found: &mut Findings) {
    let Some(platform) = found.begin_with("users", "The platform's users", platform) else { return };
    if platform.has_users && !platform.states_follow_users && is_migrated {
        found.warning(
            "public.users exists, but deleting a user does not delete the state: the table is newer than our migrations.",
            "`segmenter migrate revert --all` and then `run` create the foreign key; the runbook lists the data that is lost.",
        );
    }
    found.ok(if platform.has_users {
        "public.users exists: only its users have segments, and deleting a user deletes the state."
    } else {
        "public.users does not exist: the users of all events are accepted."
    });
}
