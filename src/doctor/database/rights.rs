//! The rights that `docs/grants.sql` gives, and the verdict on the role's.

use std::fmt;

use super::{Facts, Needs};
use crate::doctor::finding::{Check, Finding};

const RIGHTS: Check = Check::database("rights");
const SUPERUSER: Check = Check::database("superuser");

/// What a right is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Schema,
    Table,
    /// One column of the table.
    Column(&'static str),
    /// Any column of the table.
    AnyColumn,
}

/// One right that the service needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    pub privilege: &'static str,
    /// The schema.
    pub schema: &'static str,
    /// The table in it; empty for the schema itself.
    pub table: &'static str,
    pub scope: Scope,
}

impl fmt::Display for Right {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { privilege, schema, table, scope } = self;
        match scope {
            Scope::Schema => write!(out, "{privilege} on schema {schema}"),
            Scope::Table => write!(out, "{privilege} on {schema}.{table}"),
            Scope::Column(column) => write!(out, "{privilege} (\"{column}\") on {schema}.{table}"),
            Scope::AnyColumn => write!(out, "{privilege} on a column of {schema}.{table}"),
        }
    }
}

const READ_BY_US: [&str; 8] =
    ["userId", "vector", "source", "segments", "primarySegment", "segmentConfidence", "lastSegmentUpdate", "updatedAt"];
const INSERTED_BY_US: [&str; 10] = [
    "id",
    "userId",
    "vector",
    "source",
    "segments",
    "primarySegment",
    "segmentConfidence",
    "lastSegmentUpdate",
    "createdAt",
    "updatedAt",
];
const UPDATED_BY_US: [&str; 6] =
    ["vector", "segments", "primarySegment", "segmentConfidence", "lastSegmentUpdate", "updatedAt"];
const OUR_TABLES: [(&str, &[&str]); 5] = [
    ("_sqlx_migrations", &["SELECT"]),
    ("schema_compatibility", &["SELECT"]),
    ("profile_states", &["SELECT", "INSERT", "UPDATE"]),
    ("departed", &["SELECT", "INSERT", "UPDATE"]),
    ("outbox", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
];

/// All that the service needs; a test holds it against `docs/grants.sql`.
pub(super) fn needed() -> Vec<Right> {
    let column = |privilege| {
        move |column: &&'static str| Right {
            privilege,
            schema: "public",
            table: "user_vectors",
            scope: Scope::Column(column),
        }
    };
    let of_users = |privilege, scope| Right { privilege, schema: "public", table: "users", scope };
    let mut rights = vec![
        of_users("SELECT", Scope::Column("id")),
        // For `for key share`; nothing is ever updated.
        of_users("UPDATE", Scope::AnyColumn),
        Right { privilege: "DELETE", schema: "public", table: "user_vectors", scope: Scope::Table },
        Right { privilege: "USAGE", schema: "segmenter", table: "", scope: Scope::Schema },
    ];
    rights.extend(READ_BY_US.iter().map(column("SELECT")));
    rights.extend(INSERTED_BY_US.iter().map(column("INSERT")));
    rights.extend(UPDATED_BY_US.iter().map(column("UPDATE")));
    for (table, privileges) in OUR_TABLES {
        let of_table = |privilege: &&'static str| Right { privilege, schema: "segmenter", table, scope: Scope::Table };
        rights.extend(privileges.iter().map(of_table));
    }
    rights
}

/// Whether the role has all of them.
pub(super) fn rights(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let missing = match &facts.missing_rights {
        Ok(missing) => missing,
        Err(untold) => return vec![RIGHTS.unchecked("The rights of the role", untold)],
    };
    let role = &facts.server.role;
    if missing.is_empty() {
        return vec![RIGHTS.ok(format!("role {role} may do all that the service does."))];
    }
    let names: Vec<String> = missing.iter().map(Right::to_string).collect();
    vec![RIGHTS.problem(
        format!("role {role} lacks {}.", names.join("; ")),
        format!("Run docs/grants.sql as the owner of the tables, with {role} in the place of its role."),
    )]
}

pub(super) fn superuser(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let role = &facts.server.role;
    if !facts.server.superuser {
        return Vec::new();
    }
    vec![SUPERUSER.warning(
        format!("role {role} is a superuser, which the service never needs."),
        "Connect as a role with the rights of docs/grants.sql.",
    )]
}
