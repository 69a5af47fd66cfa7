//! Whether the migrations may run on the schema that was found. Pure: facts in, a refusal or remarks out.

use super::error::Refusal;
use super::facts::{IndexState, PlatformSchema, SEGMENT_COLUMNS, UserVectors};

/// Columns without which `public.user_vectors` is not the table that the service writes.
const PLATFORM_COLUMNS: [&str; 5] = ["id", "userId", "vector", "source", "updatedAt"];

/// Checks the server and the platform's tables before the migration of the segment columns. `add_columns` allows adding them
/// beside Prisma's migrations. Returns remarks for the caller.
pub(super) fn check(facts: &PlatformSchema, add_columns: bool) -> Result<Vec<String>, Refusal> {
    check_server(facts)?;
    if facts.users_id.as_deref().is_some_and(|id| id != "text") {
        return Err(Refusal::UsersTable);
    }
    let found = match &facts.user_vectors {
        UserVectors::Missing if facts.prisma => return Err(Refusal::PrismaTable),
        UserVectors::Missing => {
            return Ok(vec!["public.user_vectors does not exist and is created".to_owned()]);
        }
        UserVectors::NotATable => return Err(Refusal::NotATable),
        UserVectors::Table(columns) => columns,
    };
    check_columns(found)?;
    if facts.index == IndexState::NameTaken {
        return Err(Refusal::IndexNameTaken);
    }
    let missing = facts.missing_columns();
    if missing.is_empty() || !facts.prisma {
        return Ok(Vec::new());
    }
    if !add_columns {
        return Err(Refusal::PrismaColumns { missing });
    }
    Ok(vec![format!(
        "--add-columns: {} are added beside Prisma's migrations; Prisma's own ADD COLUMN would now fail, so mark its \
         migration IA-002.1 add_user_segments as applied (npx prisma migrate resolve --applied <its directory>); from \
         then on a revert leaves the columns to Prisma",
        missing.join(", ")
    )])
}

/// Checks the server alone.
pub(super) fn check_server(facts: &PlatformSchema) -> Result<(), Refusal> {
    if facts.standby {
        return Err(Refusal::Standby);
    }
    if facts.server_version < 140_000 {
        return Err(Refusal::OldServer(facts.server_version));
    }
    Ok(())
}

fn check_columns(found: &[(String, String)]) -> Result<(), Refusal> {
    if let Some(absent) = PLATFORM_COLUMNS.iter().find(|wanted| !found.iter().any(|(name, _)| name == *wanted)) {
        return Err(Refusal::NotThePlatforms(absent));
    }
    for (column, wanted) in SEGMENT_COLUMNS {
        if let Some((_, kind)) = found.iter().find(|(name, kind)| name == column && kind != wanted) {
            return Err(Refusal::ColumnType { column, found: kind.clone(), wanted });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(prisma: bool, columns: &[(&str, &str)]) -> PlatformSchema {
        let platform = PLATFORM_COLUMNS.iter().map(|name| ((*name).to_owned(), "text".to_owned()));
        let segments = columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned()));
        PlatformSchema {
            server_version: 150_000,
            standby: false,
            users_id: Some("text".to_owned()),
            prisma,
            user_vectors: UserVectors::Table(platform.chain(segments).collect()),
            index: IndexState::Missing,
        }
    }

    #[test]
    fn prismas_missing_table_is_never_created_in_its_place() {
        let facts = PlatformSchema { user_vectors: UserVectors::Missing, ..facts(true, &[]) };
        assert_eq!(check(&facts, true), Err(Refusal::PrismaTable));
    }

    #[test]
    fn some_of_the_columns_are_as_bad_as_none_beside_prisma() {
        let missing = vec!["segmentConfidence".to_owned(), "lastSegmentUpdate".to_owned()];
        assert_eq!(check(&facts(true, &SEGMENT_COLUMNS[..2]), false), Err(Refusal::PrismaColumns { missing }));
    }

    #[test]
    fn a_segment_column_of_another_type_is_refused() {
        let refusal = Refusal::ColumnType { column: "segments", found: "text".to_owned(), wanted: "jsonb" };
        assert_eq!(check(&facts(false, &[("segments", "text")]), false), Err(refusal));
    }

    #[test]
    fn a_table_of_the_same_name_that_is_not_the_platforms_is_refused() {
        let table = UserVectors::Table(vec![("id".to_owned(), "text".to_owned())]);
        let facts = PlatformSchema { user_vectors: table, ..facts(false, &[]) };
        assert_eq!(check(&facts, false), Err(Refusal::NotThePlatforms("userId")));
    }

    #[test]
    fn users_without_text_ids_are_refused() {
        let facts = PlatformSchema { users_id: Some("uuid".to_owned()), ..facts(false, &[]) };
        assert_eq!(check(&facts, false), Err(Refusal::UsersTable));
    }

    #[test]
    fn an_old_server_and_a_standby_are_refused() {
        let old = PlatformSchema { server_version: 130_012, ..facts(false, &[]) };
        assert_eq!(check(&old, false), Err(Refusal::OldServer(130_012)));
        let standby = PlatformSchema { standby: true, ..facts(false, &[]) };
        assert_eq!(check(&standby, false), Err(Refusal::Standby));
    }
}
