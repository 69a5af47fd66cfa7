//! The findings of a job and of its dry run, each with the command that follows.

use std::borrow::Cow;

use crate::checks::found::{AllFound, Found};
use crate::cli::follow_up::{Without, again, execute};
use crate::domain::event::Millis;
use crate::jobs::spec::{BackfillUsers, RecomputeUsers, What};
use crate::store::jobs::Counts;

/// The findings of a job that was created then, or of a dry run. `failures` are the first users with invalid data, and the rules.
pub(super) fn of(
    counts: &Counts,
    failures: impl IntoIterator<Item = (String, String)>,
    what: &What,
    created_at: Option<Millis>,
) -> AllFound {
    let mut all = AllFound::default();
    all.add(rejected(counts.rejected, what, created_at), failures);
    let not_redrivable = Found {
        check: "not-redrivable",
        count: counts.not_redrivable.values().sum(),
        meaning: "dead letters that cannot be redriven",
        command: "segmenter dlq redrive --all".into(),
        note: "a dry run: it names each with the reason",
    };
    all.add(not_redrivable, None);
    let deleted = Found {
        check: "deleted",
        count: counts.deleted,
        meaning: "offsets that retention deleted before they were read",
        command: "segmenter backfill --execute".into(),
        note: "finds users of whom the platform has a profile; all other events their producer sends again",
    };
    all.add(deleted, None);
    all
}

/// Rows of user_vectors whose users have no onboarding profile, after a backfill.
pub(super) fn vectors_without_profile(count: u64) -> Found {
    Found {
        check: "vectors-without-profile",
        count,
        meaning: "users with a vector and without an onboarding profile, whom a backfill cannot score",
        command: "segmenter replay --from earliest".into(),
        note: "a dry run: it finds those of whom the topics still have events",
    }
}

fn rejected(count: u64, what: &What, created_at: Option<Millis>) -> Found {
    let (meaning, command, note): (_, Cow<'static, str>, _) = match what {
        What::Replay(replay) => {
            let command = match (replay.dead_letters, created_at) {
                (true, Some(at)) => format!("segmenter dlq list --from {at}"),
                (true, None) => execute(),
                (false, Some(_)) => "segmenter replay --from T --dead-letter --execute".to_owned(),
                (false, None) => again(&[Without::Option("--sample")], &["--dead-letter", "--execute"]),
            };
            ("records that were rejected", command.into(), "`segmenter dlq list` shows the dead letter of each")
        }
        What::Redrive(_) => {
            let command = created_at.map_or_else(execute, |at| format!("segmenter dlq list --from {at}"));
            ("dead letters that were rejected again", command.into(), "each has a new dead letter")
        }
        What::Backfill(which) => {
            let command = match which {
                BackfillUsers::Missing => "segmenter backfill --execute",
                BackfillUsers::Existing => "segmenter backfill --existing-only --execute",
                BackfillUsers::All => "segmenter backfill --all --execute",
                BackfillUsers::Listed => "segmenter backfill --users-file FILE --execute",
            };
            (
                "onboarding profiles with invalid data",
                command.into(),
                "correct them first: the examples name field and rule; a dry run with --limit N lists more",
            )
        }
        What::Recompute { which, .. } => {
            let command = match which {
                RecomputeUsers::Stale => "segmenter recompute --execute",
                RecomputeUsers::Repair => "segmenter recompute --repair --execute",
                RecomputeUsers::Segment(_) | RecomputeUsers::Listed | RecomputeUsers::All => {
                    "segmenter recompute --users-file FILE --execute"
                }
            };
            (UNWRITTEN, command.into(), REPAIR)
        }
        What::Republish(_) => (UNWRITTEN, "segmenter republish --users-file FILE --execute".into(), REPAIR),
    };
    Found { check: "rejected", count, meaning, command, note }
}

const UNWRITTEN: &str = "users whose state cannot be read, or whose row the database refuses";
const REPAIR: &str = "remove the cause first: the examples name it; a dry run with --limit N lists more";
