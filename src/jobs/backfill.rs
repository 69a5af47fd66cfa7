//! The platform's onboarding profiles as events: for users who onboarded before there was anybody to listen.

use super::batch::{Batch, Failure, Work};
use super::spec::BackfillUsers;
use super::users::Users;
use crate::event::json::decode_preferences;
use crate::event::{Body, Cause, DECODER_VERSION, Event, Millis, Reason, Rejection, Stamp, UserId};
use crate::halt::Halt;
use crate::profile::section::{Destinations, Section};
use crate::store::jobs::Counts;
use crate::store::onboarding_profiles::{self, OnboardingProfile};

/// The event id of a backfilled profile.
pub const EVENT_ID: &str = "backfill";

/// Profiles by key.
pub struct Backfill {
    pub users: Users,
    pub which: BackfillUsers,
    pub has_births: bool,
}

impl Backfill {
    pub async fn next(&mut self, most: usize) -> Result<Option<Batch>, Halt> {
        let Some(page) = self.users.next(most).await? else { return Ok(None) };
        let profiles = onboarding_profiles::read(self.users.pool(), &page.users, self.has_births).await?;
        let mut counts = Counts::default();
        // Of a list, those without a profile.
        (profiles.len()..page.users.len()).for_each(|_| counts.skip());
        let (mut events, mut failures) = (Vec::new(), Vec::new());
        for profile in &profiles {
            if !profile.is_completed || !self.is_meant(profile) {
                counts.skip();
                continue;
            }
            match event(profile) {
                Ok(event) => events.push(event),
                Err(rejection) => {
                    counts.reject();
                    failures.push(Failure { user: profile.user.clone(), why: rejection.detail });
                }
            }
        }
        Ok(Some(page.batch(counts, Work::Merge { events, records: Vec::new() }, failures)))
    }

    fn is_meant(&self, profile: &OnboardingProfile) -> bool {
        match self.which {
            BackfillUsers::Missing => !profile.has_segments,
            BackfillUsers::Existing => profile.has_vector,
            BackfillUsers::All | BackfillUsers::Listed => true,
        }
    }
}

/// A profile as the event that writes every section but quality, stamped with the profile's time.
///
/// # Errors
/// The user, the time or a value breaks a rule that events have to keep.
pub fn event(profile: &OnboardingProfile) -> Result<Event, Rejection> {
    let user = UserId::new(&profile.user)
        .ok_or_else(|| Rejection::new(Reason::BadUser, "userId: must have 1 to 191 code points, and no NUL"))?;
    let time = profile
        .updated_at
        .and_then(crate::event::time::millis)
        .ok_or_else(|| Rejection::new(Reason::BadTime, "updatedAt: must be a time between 1970 and 9999"))?;
    let mut sections = decode_preferences(&profile.preferences, profile.date_of_birth.as_deref())?;
    sections.push(Section::Destinations(Destinations { stated: profile.has_destinations }));
    Ok(Event {
        user,
        stamp: stamp(time),
        body: Body::Onboarding(sections),
        cause: Cause::default(),
        key_differs: false,
    })
}

fn stamp(time: Millis) -> Stamp {
    Stamp { time, id: EVENT_ID.into(), decoder: DECODER_VERSION }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::section::SectionKind;

    fn profile() -> OnboardingProfile {
        OnboardingProfile {
            user: "ann".to_owned(),
            is_completed: true,
            updated_at: Some(1_767_225_600_000),
            preferences: r#"{"budget":{"globalRange":{"min":50,"max":90,"currency":"eur"}},"travel":{"types":["CULTURAL"],
                "purposes":null,"groupTypes":["solo"],"travelWithChildren":false,"childrenAges":[]},
                "accommodation":{"types":["HOTEL"],"comfortLevel":"LUXURY"},"activities":{"types":[],"interests":["MUSEUMS"],
                "activityLevel":null},"experience":{"riskTolerance":"MODERATE"},"climate":{"preferences":null},
                "transport":{"preferredAirlines":[]}}"#
                .to_owned(),
            has_destinations: false,
            date_of_birth: None,
            has_vector: false,
            has_segments: false,
        }
    }

    #[test]
    fn a_profile_writes_every_section_but_quality_and_no_date_of_birth_that_it_does_not_have() {
        let kinds = |profile: &OnboardingProfile| {
            let Body::Onboarding(sections) = event(profile).unwrap().body else { panic!("an onboarding") };
            let mut kinds: Vec<SectionKind> = sections.iter().map(Section::kind).collect();
            kinds.sort();
            kinds
        };
        use SectionKind::{
            Accommodation, Activities, Budget, Climate, Demographics, Destinations, Experience, Transport, Travel,
        };
        let all = [Budget, Travel, Accommodation, Activities, Experience, Climate, Destinations, Transport];
        assert_eq!(kinds(&profile()), all);
        let born = OnboardingProfile { date_of_birth: Some("1990-05-12".to_owned()), ..profile() };
        assert_eq!(kinds(&born), [&all[..], &[Demographics]].concat());
    }

    #[test]
    fn it_is_stamped_with_its_own_time_and_the_id_backfill() {
        let stamp = event(&profile()).unwrap().stamp;
        assert_eq!((stamp.time, &*stamp.id), (Millis(1_767_225_600_000), "backfill"));
    }

    #[test]
    fn a_bad_value_of_any_kind_is_named_without_the_value() {
        let broken = [
            (OnboardingProfile { updated_at: None, ..profile() }, "updatedAt"),
            (OnboardingProfile { updated_at: Some(-5), ..profile() }, "updatedAt"),
            (OnboardingProfile { date_of_birth: Some("yesterday".to_owned()), ..profile() }, "dateOfBirth"),
            (
                OnboardingProfile {
                    preferences: r#"{"budget":{"globalRange":{"min":9,"max":1}}}"#.to_owned(),
                    ..profile()
                },
                "globalRange",
            ),
            (
                OnboardingProfile { preferences: r#"{"travel":{"childrenAges":[77]}}"#.to_owned(), ..profile() },
                "childrenAges",
            ),
        ];
        for (profile, field) in broken {
            let detail = event(&profile).unwrap_err().detail;
            assert!(detail.contains(field) && !detail.contains("77") && !detail.contains("yesterday"), "{detail}");
        }
    }
}
