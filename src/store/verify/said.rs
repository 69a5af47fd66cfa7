//! What the database holds as last said of users.

use sqlx::postgres::PgPool;

use super::PAGE;
use crate::store::sql;

/// What was last said of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Nothing,
    Ranking {
        revision: i64,
    },
    /// A null record: the user was erased or has departed.
    Null {
        revision: i64,
    },
}

impl Said {
    /// Out of the columns of a state: 1 stands for a ranking. A revision without one was said as a null record.
    pub(super) fn of(revision: i64, said: i16) -> Self {
        match (revision, said) {
            (..=0, _) => Self::Nothing,
            (revision, 1) => Self::Ranking { revision },
            (revision, _) => Self::Null { revision },
        }
    }
}

/// What was last said of each of `users`, in the order asked for; `None` for users of whom nothing is stored.
///
/// # Errors
/// The database does not answer.
pub async fn said(pool: &PgPool, users: &[&str]) -> Result<Vec<Option<Said>>, sqlx::Error> {
    let rows: Vec<(Option<i64>, i16)> = sql::query_as(
        r#"
        select coalesce(s.revision, d.revision), coalesce(s.said, 2::smallint)
        from unnest($1::text[]) with ordinality as k(user_id, place)
        left join segmenter.profile_states s on s.user_id = k.user_id
        left join segmenter.departed d on d.user_id = k.user_id and s.user_id is null
        order by k.place"#,
    )
    .bind(users)
    .fetch_all(&mut *sql::begin_in(pool).await?)
    .await?;
    Ok(rows.into_iter().map(|(revision, said)| Some(Said::of(revision?, said))).collect())
}

/// A page of users who have departed and of whom a null record was said or is to be said, after the user `after`.
///
/// # Errors
/// The database does not answer.
pub async fn departed(pool: &PgPool, after: &str) -> Result<Vec<(String, Said)>, sqlx::Error> {
    let rows: Vec<(String, i64)> = sql::query_as(
        "select d.user_id, d.revision from segmenter.departed d
          where d.user_id > $1 and d.revision > 0
            and not exists (select from segmenter.profile_states s where s.user_id = d.user_id)
          order by d.user_id limit $2",
    )
    .bind(after)
    .bind(PAGE)
    .fetch_all(&mut *sql::begin_in(pool).await?)
    .await?;
    Ok(rows.into_iter().map(|(user, revision)| (user, Said::Null { revision })).collect())
}
