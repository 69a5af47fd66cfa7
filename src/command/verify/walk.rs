//! The walk over the tables: pages in, counts and findings out.

use std::collections::BTreeMap;

use sqlx::PgPool;
use uuid::Uuid;

use super::Depth;
use super::finding::{Check, Findings};
use super::report::{Column, Deep, Outbox, Profiles, Share, States, Vectors, percentage, two_digits};
use super::row::contradiction;
use super::topic::Comparison;
use crate::command::database::Database;
use crate::engine::Catalog;
use crate::store::migrate::{Facts, IndexState, SEGMENT_COLUMNS, UserVectors};
use crate::store::outbox::each_waiting_user;
use crate::store::sql;
use crate::store::verify::{self as read, Access, Sample, StatePage, StoredUser};

/// The four columns and the index, as found.
pub(super) async fn schema(pool: &PgPool, findings: &mut Findings) -> Result<(Vec<Column>, &'static str), sqlx::Error> {
    let facts = Facts::read(&mut *sql::begin_in(pool).await?).await?;
    let found: &[(String, String)] = match &facts.user_vectors {
        UserVectors::Table(columns) => columns,
        UserVectors::Missing | UserVectors::NotATable => &[],
    };
    let mut columns = Vec::new();
    for (name, wanted) in SEGMENT_COLUMNS {
        let kind = found.iter().find(|(found, _)| found == name).map_or("missing", |(_, kind)| kind.as_str());
        if kind != wanted {
            findings.add(Check::Column, name, format!("{kind}, should be {wanted}"));
        }
        columns.push(Column { name, kind: kind.to_owned() });
    }
    let index = match facts.index {
        IndexState::Valid => "valid",
        IndexState::Missing => "missing",
        IndexState::Invalid => "invalid",
        IndexState::NameTaken => "something else has its name",
    };
    if facts.index != IndexState::Valid {
        findings.add(Check::Index, "user_vectors_primarySegment_idx", index);
    }
    Ok((columns, index))
}

/// How many users the platform has.
pub(super) async fn users(database: &Database) -> Result<Option<i64>, sqlx::Error> {
    if !database.platform.has_users {
        return Ok(None);
    }
    read::count_users(&database.pool).await.map(Some)
}

/// Which users are to be scored anew; another sample at every run.
pub(super) async fn sample(pool: &PgPool, depth: Option<Depth>) -> Result<Sample, sqlx::Error> {
    let wanted = match depth {
        None => return Ok(Sample::NONE),
        Some(Depth::All) => return Ok(Sample::ALL),
        Some(Depth::About(users)) => i64::from(users),
    };
    let one_in = (read::count_states(pool).await? / wanted).max(1);
    Ok(Sample { one_in, seed: Uuid::new_v4().as_u64_pair().0.cast_signed() })
}

/// Walks over the states with their rows.
pub(super) async fn states(
    pool: &PgPool,
    catalog: &Catalog,
    sample: Sample,
    mut topic: Option<&mut Comparison>,
    findings: &mut Findings,
) -> Result<States, sqlx::Error> {
    let mut counts = States { deep: (sample != Sample::NONE).then(Deep::default), ..States::default() };
    let mut pages = StatePage::new(sample);
    loop {
        let page = pages.next(pool).await?;
        if page.is_empty() {
            return Ok(counts);
        }
        for user in &page {
            counts.total += 1;
            state(user, catalog, &mut counts, findings);
            if let Some(topic) = topic.as_deref_mut() {
                topic.compare(&user.user, user.said);
            }
        }
    }
}

/// Looks at one state and what is known of its row.
fn state(user: &StoredUser, catalog: &Catalog, counts: &mut States, findings: &mut Findings) {
    let decoded = match &user.state {
        Some(Err(error)) => {
            findings.add(Check::UnreadableState, &user.user, error.to_string());
            return;
        }
        Some(Ok(state)) => Some(state),
        None => None,
    };
    // Where the state was not read, row and columns say enough: who was scored and never erased is onboarded.
    let is_onboarded = match decoded {
        Some(state) => state.profile.onboarded().is_some(),
        None => user.catalog_version > 0 && !user.erased,
    };
    if !is_onboarded {
        if user.erased && user.has_segments {
            findings.add(Check::ErasedWithRow, &user.user, "the row has segments");
        }
        return;
    }
    if !user.has_segments {
        findings.add(Check::StateWithoutRow, &user.user, "no row, or its segments are null");
    }
    *counts.catalog_versions.entry(user.catalog_version).or_default() += 1;
    let is_ours = u32::try_from(user.catalog_version) == Ok(catalog.version());
    if !is_ours {
        let detail = format!("version {}, the configured one is {}", user.catalog_version, catalog.version());
        findings.add(Check::StaleCatalog, &user.user, detail);
    }
    let Some(deep) = counts.deep.as_mut().filter(|_| user.sampled) else { return };
    if !is_ours {
        deep.other_catalog += 1;
    } else if let (Some(state), Some(row)) = (decoded, &user.row) {
        deep.compared += 1;
        let differ = read::differences(state, row, catalog);
        if !differ.is_empty() && user.has_segments {
            findings.add(Check::Difference, &user.user, differ.join(", "));
        }
    }
}

/// Walks over the rows of `user_vectors`.
pub(super) async fn vectors(pool: &PgPool, findings: &mut Findings) -> Result<Vectors, sqlx::Error> {
    let mut counts = Vectors::default();
    let mut shares: BTreeMap<String, (u64, f64, u64)> = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = read::vectors(pool, &after).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.user);
        for row in page {
            counts.total += 1;
            counts.without_state += u64::from(row.segments.is_some() && !row.has_state);
            if let Some(what) = contradiction(&row) {
                findings.add(Check::Contradiction, &row.user, what);
            }
            if let Some(segment) = row.primary_segment {
                counts.with_segments += 1;
                let (count, sum, rated) = shares.entry(segment).or_default();
                *count += 1;
                *sum += row.segment_confidence.unwrap_or(0.0);
                *rated += u64::from(row.segment_confidence.is_some());
            }
        }
    }
    counts.percentage = percentage(counts.with_segments, counts.total);
    counts.distribution = shares
        .into_iter()
        .map(|(segment, (count, sum, rated))| Share {
            segment,
            count,
            share: percentage(count, counts.with_segments).unwrap_or(0.0),
            average_confidence: two_digits(sum / rated as f64),
        })
        .collect();
    // Stable: equal counts stay in the order of their names.
    counts.distribution.sort_by_key(|share| std::cmp::Reverse(share.count));
    Ok(counts)
}

/// Walks over the onboarding profiles that the platform stores.
pub(super) async fn profiles(pool: &PgPool, findings: &mut Findings) -> Result<Option<Profiles>, sqlx::Error> {
    if read::may_read_profiles(pool).await? != Access::Granted {
        return Ok(None);
    }
    let mut counts = Profiles::default();
    let mut after = String::new();
    loop {
        let page = read::completed_profiles(pool, &after).await?;
        let Some(last) = page.last() else { return Ok(Some(counts)) };
        after.clone_from(&last.user);
        for profile in page.iter().filter(|profile| profile.completed) {
            counts.completed += 1;
            if profile.has_segments {
                continue;
            }
            if profile.erased {
                counts.erased += 1;
            } else {
                let what = if profile.has_row { "a vector without segments" } else { "no vector" };
                findings.add(Check::ProfileWithoutSegments, &profile.user, what);
            }
        }
    }
}

/// How full the outbox is, and whether it can be read.
pub(super) async fn outbox(pool: &PgPool, findings: &mut Findings) -> Result<Outbox, sqlx::Error> {
    let depth = crate::store::outbox::depth(pool).await?;
    let waiting = each_waiting_user(pool, |_| {}).await?;
    for row in waiting.unreadable {
        findings.add(Check::UnreadableOutbox, &row.to_string(), "written in a format unknown to this version");
    }
    Ok(Outbox { rows: depth.rows, oldest_seconds: depth.oldest.as_secs_f64() })
}
