//! The rights that `docs/grants.sql` grants, and those that the role lacks.

use std::fmt;

use sqlx::PgConnection;

use super::server::Server;
use crate::checks::doctor::finding::{Answer, Findings};

/// The service needs the rights that its documentation grants.
const GRANTS: &str = include_str!("../../../../docs/grants.sql");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Right {
    pub privilege: &'static str,
    /// As the grant names it: `public.users`, `schema segmenter`.
    pub object: &'static str,
    /// Empty for the whole object.
    pub column: &'static str,
}

impl fmt::Display for Right {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            "" => write!(out, "{} on {}", self.privilege, self.object),
            column => write!(out, "{} (\"{column}\") on {}", self.privilege, self.object),
        }
    }
}

/// All rights that the file grants.
pub(super) fn needed() -> Vec<Right> {
    let mut rights = Vec::new();
    for statement in GRANTS.split(';') {
        // Comments stand before the statements.
        let Some((_, grant)) =
            statement.rsplit_once("grant ").filter(|(before, _)| before.is_empty() || before.ends_with('\n'))
        else {
            continue;
        };
        let Some((privileges, to)) = grant.split_once(" on ") else { continue };
        let Some((object, _)) = to.split_once(" to ") else { continue };
        // Commas separate privileges, and the columns of each.
        let (mut privilege, mut in_columns) = ("", false);
        for part in privileges.split(',') {
            let mut column = "";
            match part.split_once('(') {
                Some((name, first)) => (privilege, column, in_columns) = (name.trim(), first, true),
                None if in_columns => column = part,
                None => privilege = part.trim(),
            }
            in_columns &= !column.contains(')');
            let column = column.trim().trim_end_matches(')').trim_matches('"');
            rights.push(Right { privilege, object, column });
        }
    }
    rights
}

/// The missing rights on existing objects. Names are looked up in the catalogs, which every role may read.
pub(super) async fn read_missing(connection: &mut PgConnection) -> Result<Vec<Right>, sqlx::Error> {
    let needed = needed();
    // `for key share` needs UPDATE on any one column of users.
    let has: Vec<Option<bool>> = sqlx::query_scalar(
        "select case
                  when object like 'schema %' then has_schema_privilege(n.oid, privilege)
                  when of_column = '' then has_table_privilege(c.oid, privilege)
                  when object = 'public.users' and privilege = 'update' then has_any_column_privilege(c.oid, privilege)
                  else has_column_privilege(c.oid, a.attnum, privilege)
                end
           from unnest($1::text[], $2::text[], $3::text[]) with ordinality as wanted(privilege, object, of_column, place)
           cross join regexp_match(object, '([^ .]+)[.]?([^ .]*)$') as parts(name)
           left join pg_namespace n on n.nspname = name[1]
           left join pg_class c on c.relnamespace = n.oid and c.relname = name[2]
           left join pg_attribute a on a.attrelid = c.oid and a.attname = of_column and not a.attisdropped
          order by place",
    )
    .bind(needed.iter().map(|right| right.privilege).collect::<Vec<_>>())
    .bind(needed.iter().map(|right| right.object).collect::<Vec<_>>())
    .bind(needed.iter().map(|right| right.column).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(needed.into_iter().zip(has).filter(|(_, has)| *has == Some(false)).map(|(right, _)| right).collect())
}

/// The role of this process, whether it has all needed rights, and is not a superuser.
pub(super) fn rights(missing: Answer<Vec<Right>>, server: &Server, found: &mut Findings) {
    let role = &server.role;
    found.begin("identity");
    let certificate = server.certificate.as_ref().map(|subject| format!(" with the client certificate {subject}"));
    found.ok(format!("role {role}{}.", certificate.unwrap_or_default()));
    if let Some(missing) = found.begin_with("rights", "The rights of the role", missing) {
        if !missing.is_empty() {
            let names: Vec<String> = missing.iter().map(Right::to_string).collect();
            found.problem(
                format!("role {role} lacks {}.", names.join("; ")),
                format!("Run docs/grants.sql as the owner of the tables, with {role} in place of its role."),
            );
        }
        found.ok(format!("role {role} has every right that the service needs."));
    }
    found.begin("superuser");
    if server.superuser {
        found.warning(
            format!("role {role} is a superuser, which the service never needs."),
            "Connect as a role with the rights of docs/grants.sql.",
        );
    }
}
