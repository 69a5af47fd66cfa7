//! Walks over the tables: pages in, counts and findings out.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::store::sql::Pool;
use uuid::Uuid;

use super as read;
use super::Depth;
use super::place::{Run, Walk};
use super::report::{Check, Counts, Findings, Share};
use super::row::contradiction;
use super::topic::Comparison;
use super::{Sample, StoredUser};
use crate::domain::scoring::Catalog;
use crate::migrate::{IndexState, PlatformSchema, SEGMENT_COLUMNS};
use crate::store::error::StoreError;
use crate::store::lookup::expected_rows;
use crate::store::outbox::{self, each_waiting_user};
use crate::store::stored_row::differences;

/// Checks the four columns and the index.
pub(super) async fn schema(pool: &Pool, run: &mut Run<'_>) -> Result<(), StoreError> {
    let Run { counts, findings, .. } = run;
    let facts = pool.read(async |connection| PlatformSchema::read(connection).await).await?;
    for (name, wanted) in SEGMENT_COLUMNS {
        let kind = facts.column_type(name).unwrap_or("missing");
        if kind != wanted {
            findings.add(Check::Column, name, format!("{kind}, should be {wanted}"));
        }
        counts.columns.insert(name, kind.to_owned());
    }
    counts.index = match facts.index {
        IndexState::Valid => "valid",
        IndexState::Missing => "missing",
        IndexState::Invalid => "invalid",
        IndexState::NameTaken => "another object has its name",
    };
    if facts.index != IndexState::Valid {
        findings.add(Check::Index, "user_vectors_primarySegment_idx", counts.index);
    }
    Ok(())
}

/// The sample of users to score again; different at every run.
pub(super) async fn sample(pool: &Pool, depth: Option<Depth>) -> Result<Sample, StoreError> {
    let one_in = match depth {
        None => 0,
        Some(Depth::All) => 1,
        Some(Depth::About(users)) => (read::count_states(pool).await? / i64::from(users)).max(1),
    };
    Ok(Sample { one_in, seed: Uuid::new_v4().as_u64_pair().0.cast_signed() })
}

/// Walks over the states with their rows.
pub(super) async fn states(
    pool: &Pool,
    catalog: &Catalog,
    sample: Sample,
    mut topic: Option<&mut Comparison>,
    run: &mut Run<'_>,
) -> anyhow::Result<()> {
    run.counts.compared = (sample.one_in > 0).then_some(0);
    let Some(mut after) = run.begin(Walk::States) else { return Ok(()) };
    let expected = expected_rows(pool, Walk::States.table()).await?;
    loop {
        run.passed(&after, run.counts.states, expected)?;
        let page = read::states(pool, sample, &after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after.clone_from(&last.user);
        for user in &page {
            run.counts.states += 1;
            state(user, catalog, &mut run.counts, &mut run.findings);
            if let Some(topic) = topic.as_deref_mut() {
                topic.compare(&user.user, &user.published);
            }
        }
    }
}

/// Checks one state and its row.
fn state(user: &StoredUser, catalog: &Catalog, counts: &mut Counts, findings: &mut Findings) {
    let decoded = match &user.state {
        Some(Err(error)) => return findings.add(Check::UnreadableState, &user.user, error.to_string()),
        Some(Ok(state)) => Some(state),
        None => None,
    };
    // If the state was not read, its columns suffice: a user that was scored and never erased is onboarded.
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
    let Some(compared) = counts.compared.as_mut().filter(|_| user.sampled) else { return };
    if !is_ours {
        counts.other_catalog += 1;
    } else if let (Some(state), Some(row)) = (decoded, &user.row) {
        *compared += 1;
        let differ = differences(state, row, catalog);
        if !differ.is_empty() && user.has_segments {
            findings.add(Check::Difference, &user.user, differ.join(", "));
        }
    }
}

/// Walks over the rows of `user_vectors`.
pub(super) async fn vectors(pool: &Pool, run: &mut Run<'_>) -> anyhow::Result<()> {
    let mut shares = Shares::new();
    let walked = walk_vectors(pool, run, &mut shares).await;
    // After an interruption too: those of the rows that were read.
    summarise(shares, &mut run.counts);
    walked
}

/// By primary segment: the number of rows, the sum of their confidences, and the number of rows with one.
type Shares = BTreeMap<String, (u64, f64, u64)>;

async fn walk_vectors(pool: &Pool, run: &mut Run<'_>, shares: &mut Shares) -> anyhow::Result<()> {
    let Some(mut after) = run.begin(Walk::Vectors) else { return Ok(()) };
    let expected = expected_rows(pool, Walk::Vectors.table()).await?;
    loop {
        run.passed(&after, run.counts.vectors, expected)?;
        let page = read::vectors(pool, &after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after.clone_from(&last.user);
        for row in page {
            run.counts.vectors += 1;
            run.counts.without_state += u64::from(row.segments.is_some() && !row.has_state);
            if let Some(detail) = contradiction(&row) {
                run.findings.add(Check::Contradiction, &row.user, detail);
            }
            if let Some(segment) = row.primary_segment {
                run.counts.with_segments += 1;
                let (count, sum, rated) = shares.entry(segment).or_default();
                *count += 1;
                *sum += row.segment_confidence.unwrap_or(0.0);
                *rated += u64::from(row.segment_confidence.is_some());
            }
        }
    }
}

fn summarise(shares: Shares, counts: &mut Counts) {
    let percentage = |part: u64, whole: u64| 100.0 * part as f64 / whole as f64;
    counts.percentage = (counts.vectors > 0).then(|| percentage(counts.with_segments, counts.vectors));
    let share = |(segment, (count, sum, rated))| Share {
        segment,
        count,
        share: percentage(count, counts.with_segments),
        average_confidence: Some(sum / rated as f64).filter(|average: &f64| average.is_finite()),
    };
    counts.distribution = shares.into_iter().map(share).collect();
    // The sort is stable: equal counts stay in the order of their names.
    counts.distribution.sort_by_key(|share| Reverse(share.count));
}

/// Walks over the platform's onboarding profiles.
pub(super) async fn profiles(pool: &Pool, run: &mut Run<'_>) -> anyhow::Result<()> {
    if !read::may_read_profiles(pool).await? {
        return Ok(());
    }
    let Some(mut after) = run.begin(Walk::Profiles) else { return Ok(()) };
    let expected = expected_rows(pool, Walk::Profiles.table()).await?;
    let (mut passed, mut completed) = (0, 0);
    loop {
        run.counts.completed_profiles = Some(completed);
        run.passed(&after, passed, expected)?;
        let page = read::completed_profiles(pool, &after).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after.clone_from(last);
        for (user, segments) in page {
            passed += 1;
            let Some(segments) = segments else { continue };
            completed += 1;
            match segments.as_str() {
                "segments" => {}
                "erased" => run.counts.erased_profiles += 1,
                missing => run.findings.add(Check::ProfileWithoutSegments, &user, missing),
            }
        }
    }
}

/// Counts the outbox rows, and checks whether they can be read.
pub(super) async fn outbox(pool: &Pool, run: &mut Run<'_>) -> anyhow::Result<()> {
    let depth = outbox::depth(pool).await?;
    (run.counts.outbox_rows, run.counts.oldest_outbox_seconds) = (depth.rows, depth.oldest.as_secs_f64());
    for row in each_waiting_user(pool, |_| {}).await?.unreadable {
        run.findings.add(Check::UnreadableOutbox, &row.to_string(), "written in a format unknown to this version");
    }
    Ok(())
}
