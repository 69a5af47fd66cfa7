//! Whether the last record of a user on segment-changed is what the database says was said last.

use super::finding::Check;
use crate::kafka::said_revisions::LastRecord;
use crate::store::verify::Said;

/// What is wrong with a user's last record, in what the database knows (`None`: nothing of the user) and the topic has.
///
/// Nothing is wrong with a null record of a user of whom nothing is known: a database that was built anew has forgotten
/// whom an earlier one erased.
pub(super) fn verdict(said: Option<Said>, last: Option<&LastRecord>) -> Option<(Check, String)> {
    let (said_revision, said_null) = match said {
        Some(Said::Ranking { revision }) => (revision, false),
        Some(Said::Null { revision }) => (revision, true),
        Some(Said::Nothing) | None => {
            let last = last.filter(|last| !last.is_null)?;
            return Some((Check::UnknownOnTopic, format!("the last record has {}", shown(last))));
        }
    };
    let said = format!("said {said_revision}");
    let Some(last) = last else { return Some((Check::NotOnTopic, said)) };
    let check = match last.revision {
        None => Check::OtherOnTopic,
        Some(revision) if revision < said_revision => Check::OlderOnTopic,
        Some(revision) if revision > said_revision => Check::NewerOnTopic,
        Some(_) if last.is_null != said_null => Check::OtherOnTopic,
        Some(_) => return None,
    };
    let kind = if said_null { " as a null record" } else { "" };
    Some((check, format!("{said}{kind}, the last record has {}", shown(last))))
}

fn shown(last: &LastRecord) -> String {
    let revision = last.revision.map_or_else(|| "no revision".to_owned(), |revision| format!("revision {revision}"));
    if last.is_null { format!("{revision} and is null") } else { revision }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANKING: Option<Said> = Some(Said::Ranking { revision: 7 });
    const NULL: Option<Said> = Some(Said::Null { revision: 7 });

    fn check(said: Option<Said>, last: Option<(Option<i64>, bool)>) -> Option<Check> {
        let last = last.map(|(revision, is_null)| LastRecord::new(revision, is_null));
        verdict(said, last.as_ref()).map(|(check, _)| check)
    }

    #[test]
    fn the_said_revision_as_the_last_record_is_right() {
        assert_eq!(check(RANKING, Some((Some(7), false))), None);
        assert_eq!(check(NULL, Some((Some(7), true))), None);
        assert_eq!(check(Some(Said::Nothing), None), None);
        assert_eq!(check(None, Some((Some(7), true))), None, "erased by a database that is gone");
    }

    #[test]
    fn any_other_last_record_is_named_for_what_it_is() {
        assert_eq!(check(RANKING, None), Some(Check::NotOnTopic));
        assert_eq!(check(RANKING, Some((Some(6), false))), Some(Check::OlderOnTopic));
        assert_eq!(check(NULL, Some((Some(6), false))), Some(Check::OlderOnTopic));
        assert_eq!(check(RANKING, Some((Some(8), true))), Some(Check::NewerOnTopic));
        assert_eq!(check(RANKING, Some((Some(7), true))), Some(Check::OtherOnTopic));
        assert_eq!(check(NULL, Some((Some(7), false))), Some(Check::OtherOnTopic));
        assert_eq!(check(RANKING, Some((None, false))), Some(Check::OtherOnTopic));
        assert_eq!(check(None, Some((Some(7), false))), Some(Check::UnknownOnTopic));
        assert_eq!(check(Some(Said::Nothing), Some((None, false))), Some(Check::UnknownOnTopic));
    }
}
