//! `migrate info`: the applied and pending migrations of a database. Reads only.

use std::fmt;

use sqlx::types::time::OffsetDateTime;
use sqlx::{Connection, PgConnection};
use time::format_description::well_known::Rfc3339;

use super::facts::{INDEX, IndexState, PlatformSchema, invalid_indexes};
use super::schema::{self, Platform, SchemaStatus};
use super::{bookkeeping, files};

/// One migration, known to this binary, applied to this database, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationInfo {
    pub version: i64,
    pub name: String,
    /// When it was applied; `None`: pending.
    pub applied_at: Option<OffsetDateTime>,
    /// Whether this binary has it.
    pub known: bool,
    /// Whether it was applied from the file that this binary has; true while pending.
    pub checksum_matches: bool,
}

/// The result of [`info`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    pub status: SchemaStatus,
    pub migrations: Vec<MigrationInfo>,
    pub index: IndexState,
    /// On `public.user_vectors` and in schema `segmenter`.
    pub invalid_indexes: Vec<String>,
    /// `(object, existed before us)`.
    pub provenance: Vec<(String, bool)>,
    pub platform: Platform,
    /// Whether Prisma's table of migrations exists.
    pub prisma: bool,
}

impl Info {
    /// Whether `migrate run` would change something.
    pub fn is_for_run(&self) -> bool {
        let is_pending = matches!(self.status, SchemaStatus::Missing | SchemaStatus::Behind { .. });
        is_pending || (self.status.is_usable() && matches!(self.index, IndexState::Missing | IndexState::Invalid))
    }
}

/// Reads everything in one snapshot.
pub async fn info(conn: &mut PgConnection) -> Result<Info, sqlx::Error> {
    let mut transaction = conn.begin_with("begin transaction isolation level repeatable read read only").await?;
    let status = schema::check(&mut transaction).await?;
    let facts = PlatformSchema::read(&mut transaction).await?;
    let info = Info {
        status,
        migrations: migrations(bookkeeping::applied(&mut transaction).await?),
        index: facts.index,
        invalid_indexes: invalid_indexes(&mut transaction).await?,
        provenance: bookkeeping::provenance(&mut transaction).await?,
        platform: Platform::detect(&mut transaction).await?,
        prisma: facts.prisma,
    };
    transaction.rollback().await?;
    Ok(info)
}

fn migrations(applied: Vec<bookkeeping::Applied>) -> Vec<MigrationInfo> {
    let pending =
        files::ALL.iter().filter(|file| !applied.iter().any(|applied| applied.version == file.version)).map(|file| {
            MigrationInfo {
                version: file.version,
                name: file.name.to_owned(),
                applied_at: None,
                known: true,
                checksum_matches: true,
            }
        });
    let mut all: Vec<_> = pending.collect();
    all.extend(applied.into_iter().map(|applied| {
        let file = files::find(applied.version);
        MigrationInfo {
            version: applied.version,
            name: applied.name,
            applied_at: Some(applied.at),
            known: file.is_some(),
            checksum_matches: file.is_none_or(|file| *file.up().checksum == *applied.checksum),
        }
    }));
    all.sort_by_key(|migration| migration.version);
    all
}

impl fmt::Display for Info {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "schema: {}", self.status)?;
        self.migrations.iter().try_for_each(|migration| writeln!(out, "  {migration}"))?;
        let index = match self.index {
            IndexState::Missing => "missing",
            IndexState::Valid => "valid",
            IndexState::Invalid => "invalid (migrate run rebuilds it)",
            IndexState::NameTaken => "another object has its name",
        };
        writeln!(out, "index {INDEX}: {index}")?;
        for name in &self.invalid_indexes {
            writeln!(out, "invalid index: {name}")?;
        }
        for (object, existed) in &self.provenance {
            writeln!(out, "{object}: {}", if *existed { "there before us" } else { "created by us" })?;
        }
        let users = match (self.platform.has_users, self.platform.states_follow_users) {
            (true, true) => "exists; states follow it",
            (true, false) => "exists; states do not follow it",
            (false, _) => "does not exist",
        };
        writeln!(out, "public.users: {users}")?;
        writeln!(out, "Prisma's migrations: {}", if self.prisma { "present" } else { "absent" })
    }
}

impl fmt::Display for MigrationInfo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}: ", self.version, self.name)?;
        match self.applied_at {
            None => out.write_str("pending")?,
            Some(at) => write!(out, "applied {}", at.format(&Rfc3339).map_err(|_| fmt::Error)?)?,
        }
        if !self.known {
            out.write_str(", unknown to this binary")?;
        }
        if !self.checksum_matches {
            out.write_str(", from a file that differs from this binary's")?;
        }
        Ok(())
    }
}
