//! Reads the database before a migration: the platform's tables, their columns, our index.

use crate::store::sql;
use sqlx::PgConnection;

/// The columns that hold a user's segments, in the platform's order, with the types as PostgreSQL spells them.
pub(crate) const SEGMENT_COLUMNS: [(&str, &str); 4] = [
    ("segments", "jsonb"),
    ("primarySegment", "text"),
    ("segmentConfidence", "double precision"),
    ("lastSegmentUpdate", "timestamp(3) without time zone"),
];

/// The index on `primarySegment`, as actions and reports show it.
pub(crate) const INDEX: &str = "public.\"user_vectors_primarySegment_idx\"";

/// The state of the index on `primarySegment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexState {
    Missing,
    Valid,
    /// Left by an interrupted concurrent build: maintained by every write, used by no query.
    Invalid,
    /// Another object has its name.
    NameTaken,
}

/// `public.user_vectors`, as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UserVectors {
    Missing,
    /// A view, a partitioned or a foreign table.
    NotATable,
    /// Column names with their types.
    Table(Vec<(String, String)>),
}

/// The facts that decide which actions a migration takes, and whether it may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlatformSchema {
    /// `server_version_num`.
    pub server_version: i32,
    pub standby: bool,
    /// The type of `public.users.id`; `None` without the table, empty without the column.
    pub users_id: Option<String>,
    /// Whether Prisma's own table of migrations exists.
    pub prisma: bool,
    pub user_vectors: UserVectors,
    pub index: IndexState,
}

impl PlatformSchema {
    pub(crate) async fn read(conn: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let (server_version, standby, users_id, prisma, kind): (i32, bool, Option<String>, bool, Option<String>) =
            sql::query_as(
                "select current_setting('server_version_num')::int,
                        pg_is_in_recovery(),
                        case when to_regclass('public.users') is not null then coalesce(
                          (select format_type(atttypid, atttypmod) from pg_attribute
                            where attrelid = to_regclass('public.users') and attname = 'id' and not attisdropped),
                          '') end,
                        to_regclass('public._prisma_migrations') is not null,
                        (select relkind::text from pg_class where oid = to_regclass('public.user_vectors'))",
            )
            .fetch_one(&mut *conn)
            .await?;
        let user_vectors = match kind.as_deref() {
            None => UserVectors::Missing,
            Some("r") => UserVectors::Table(columns(conn).await?),
            Some(_) => UserVectors::NotATable,
        };
        let index = index_state(conn).await?;
        Ok(Self { server_version, standby, users_id, prisma, user_vectors, index })
    }

    /// The type of a column of `public.user_vectors`, if there is one of this name.
    pub(crate) fn column_type(&self, column: &str) -> Option<&str> {
        let UserVectors::Table(columns) = &self.user_vectors else { return None };
        columns.iter().find(|(name, _)| name == column).map(|(_, of_type)| of_type.as_str())
    }

    /// The segment columns that `public.user_vectors` does not have, all of them where there is no such table.
    pub(crate) fn missing_columns(&self) -> Vec<String> {
        let names = SEGMENT_COLUMNS.iter().map(|(name, _)| *name);
        names.filter(|name| self.column_type(name).is_none()).map(str::to_owned).collect()
    }
}

async fn columns(conn: &mut PgConnection) -> Result<Vec<(String, String)>, sqlx::Error> {
    sql::query_as(
        "select attname::text, format_type(atttypid, atttypmod) from pg_attribute
          where attrelid = to_regclass('public.user_vectors') and attnum > 0 and not attisdropped
          order by attnum",
    )
    .fetch_all(conn)
    .await
}

/// Reads the state of the index on `primarySegment`.
pub(super) async fn index_state(conn: &mut PgConnection) -> Result<IndexState, sqlx::Error> {
    let found: Option<(bool, bool)> = sql::query_as(
        "select coalesce(i.indisvalid and i.indisready, false),
                coalesce(i.indrelid = to_regclass('public.user_vectors') and i.indpred is null and i.indnkeyatts = 1
                         and exists (select from pg_attribute
                                      where attrelid = i.indrelid and attnum = i.indkey[0]
                                        and attname = 'primarySegment'), false)
           from pg_class c left join pg_index i on i.indexrelid = c.oid
          where c.oid = to_regclass('public.\"user_vectors_primarySegment_idx\"')",
    )
    .fetch_optional(conn)
    .await?;
    Ok(match found {
        None => IndexState::Missing,
        Some((_, false)) => IndexState::NameTaken,
        Some((true, true)) => IndexState::Valid,
        Some((false, true)) => IndexState::Invalid,
    })
}

/// Every invalid index on `public.user_vectors` and on our own tables.
pub(super) async fn invalid_indexes(conn: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    sql::query_scalar(
        "select format('%I.%I', n.nspname, c.relname)
           from pg_index i
           join pg_class c on c.oid = i.indexrelid
           join pg_namespace n on n.oid = c.relnamespace
          where not i.indisvalid
            and (i.indrelid = to_regclass('public.user_vectors') or n.nspname = 'segmenter')
          order by 1",
    )
    .fetch_all(conn)
    .await
}
