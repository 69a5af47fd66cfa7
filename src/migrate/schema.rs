//! Checks whether this binary can work with the database's schema; `serve` does so before it starts.

use sqlx::PgConnection;

use super::bookkeeping::{self, Applied};
pub use super::status::SchemaStatus;
use super::{SEGMENT_COLUMNS, files};
use crate::store::sql;

/// Compares the database's schema with the migrations of this binary.
///
/// # Errors
/// Any error of the database, missing privileges on schema `segmenter` included.
pub async fn check(conn: &mut PgConnection) -> Result<SchemaStatus, sqlx::Error> {
    let applied = bookkeeping::applied(conn).await?;
    let compatibility = bookkeeping::compatibility(conn).await?;
    let missing_columns: Vec<String> = sql::query_scalar(
        "select name from unnest($1::text[]) with ordinality as wanted(name, place)
          where not exists (select from pg_attribute
                             where attrelid = to_regclass('public.user_vectors') and attname = name
                               and not attisdropped)
          order by place",
    )
    .bind(SEGMENT_COLUMNS.map(|(name, _)| name).as_slice())
    .fetch_all(conn)
    .await?;
    Ok(judge(&applied, &compatibility, missing_columns))
}

/// The decision behind [`check`]. `compatibility` holds `(version, min_app_schema)`.
fn judge(applied: &[Applied], compatibility: &[(i64, i64)], missing_columns: Vec<String>) -> SchemaStatus {
    let newest_known = files::newest();
    let Some(newest) = applied.iter().map(|migration| migration.version).max() else {
        return SchemaStatus::Missing;
    };
    let versions = |condition: &dyn Fn(&Applied) -> bool| -> Vec<i64> {
        applied.iter().filter(|migration| condition(migration)).map(|migration| migration.version).collect()
    };

    let modified = versions(&|migration| {
        files::find(migration.version).is_some_and(|file| *file.up().checksum != *migration.checksum)
    });
    if !modified.is_empty() {
        return SchemaStatus::Modified { versions: modified };
    }
    let foreign = versions(&|migration| files::find(migration.version).is_none() && migration.version <= newest_known);
    if !foreign.is_empty() {
        return SchemaStatus::Foreign { versions: foreign };
    }
    // A newer migration without a record of its minimum needs a binary that knows it.
    let requires = applied
        .iter()
        .filter(|migration| migration.version > newest_known)
        .map(|migration| {
            let recorded = compatibility.iter().find(|(version, _)| *version == migration.version);
            recorded.map_or(migration.version, |(_, min_app_schema)| *min_app_schema)
        })
        .max()
        .unwrap_or(0);
    if requires > newest_known {
        return SchemaStatus::TooNew { newest, requires };
    }
    let is_applied = |version| applied.iter().any(|migration| migration.version == version);
    if is_applied(files::SEGMENT_COLUMNS) && !missing_columns.is_empty() {
        return SchemaStatus::Damaged { missing: missing_columns };
    }
    let pending: Vec<i64> =
        files::ALL.iter().map(|file| file.version).filter(|version| !is_applied(*version)).collect();
    if !pending.is_empty() {
        return SchemaStatus::Behind { pending };
    }
    if newest > newest_known { SchemaStatus::NewerCompatible { newest } } else { SchemaStatus::Current }
}

/// The platform's part of this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    /// Whether `public.users` exists: then only its users may have a state or a vector.
    pub has_users: bool,
    /// Whether a state is deleted with its user (foreign key). False where `users` was created after our migrations.
    pub states_follow_users: bool,
}

impl Platform {
    /// Looks for the platform's tables.
    pub async fn detect(conn: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let (has_users, states_follow_users) = sql::query_as(
            "select to_regclass('public.users') is not null,
                    exists (select from pg_constraint
                             where contype = 'f' and conrelid = to_regclass('segmenter.profile_states')
                               and confrelid = to_regclass('public.users'))",
        )
        .fetch_one(conn)
        .await?;
        Ok(Self { has_users, states_follow_users })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::types::time::OffsetDateTime;

    fn applied(version: i64) -> Applied {
        let checksum = files::find(version).map(|file| file.up().checksum.to_vec()).unwrap_or_default();
        Applied { version, name: String::new(), at: OffsetDateTime::UNIX_EPOCH, checksum }
    }

    fn all() -> Vec<Applied> {
        files::ALL.iter().map(|file| applied(file.version)).collect()
    }

    #[test]
    fn nothing_applied_is_missing_and_some_applied_is_behind() {
        assert_eq!(judge(&[], &[], Vec::new()), SchemaStatus::Missing);
        let pending = files::ALL.iter().map(|file| file.version).skip(1).collect();
        assert_eq!(judge(&all()[..1], &[], Vec::new()), SchemaStatus::Behind { pending });
    }

    #[test]
    fn a_newer_migration_is_compatible_only_if_it_is_marked_so() {
        let newest = files::newest() + 7;
        let database: Vec<_> = all().into_iter().chain([applied(newest)]).collect();
        let compatible = judge(&database, &[(newest, files::newest())], Vec::new());
        assert_eq!(compatible, SchemaStatus::NewerCompatible { newest });
        assert!(compatible.is_usable());
        assert_eq!(judge(&database, &[], Vec::new()), SchemaStatus::TooNew { newest, requires: newest });
        let requires = files::newest() + 1;
        assert_eq!(judge(&database, &[(newest, requires)], Vec::new()), SchemaStatus::TooNew { newest, requires });
    }

    #[test]
    fn a_newer_database_that_lacks_one_of_ours_is_behind() {
        let newest = files::newest() + 1;
        let database = [applied(1), applied(newest)];
        let pending = files::ALL.iter().map(|file| file.version).skip(1).collect();
        assert_eq!(judge(&database, &[(newest, 1)], Vec::new()), SchemaStatus::Behind { pending });
    }

    #[test]
    fn another_checksum_and_an_unknown_old_version_are_refused() {
        let mut database = all();
        database[0].checksum = vec![1];
        assert_eq!(judge(&database, &[], Vec::new()), SchemaStatus::Modified { versions: vec![1] });
        let database: Vec<_> = all().into_iter().chain([applied(0)]).collect();
        assert_eq!(judge(&database, &[], Vec::new()), SchemaStatus::Foreign { versions: vec![0] });
    }

    #[test]
    fn lost_columns_are_noticed() {
        let missing = vec!["segments".to_owned()];
        assert_eq!(judge(&all(), &[], missing.clone()), SchemaStatus::Damaged { missing });
    }
}
