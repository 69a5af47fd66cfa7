//! The platform's onboarding profiles as events, for users who onboarded before Kafka events existed.

use super::batch::{Batch, Failure, Work};
use super::spec::BackfillUsers;
use super::users::Users;
use crate::domain::event::{Body, Cause, DECODER_VERSION, Event, Millis, Reason, Rejection, Stamp, UserId};
use crate::domain::section::{Destinations, Section, SectionKind};
use crate::output::retry_until_deadline;
use crate::runtime::halt::Halt;
use crate::store::jobs::Counts;
use crate::store::onboarding_profiles::{self, OnboardingProfile};

/// The event id of a backfilled profile.
pub const EVENT_ID: &str = "backfill";

/// Profiles by key.
pub struct Backfill {
    pub users: Users,
    pub which: BackfillUsers,
    pub has_births: bool,
    /// How far after the database's clock a profile may be dated, in ms: a later one would win every merge until then.
    pub max_future_ms: i64,
}

impl Backfill {
    pub async fn next(&mut self, most: usize) -> Result<Option<Batch>, Halt> {
        let Some(page) = self.users.next(most).await? else { return Ok(None) };
        let pool = self.users.pool();
        let read = || onboarding_profiles::read(pool, &page.users, self.has_births);
        let profiles = retry_until_deadline("PostgreSQL", read).await?;
        let mut counts = Counts::default();
        for _ in profiles.len()..page.users.len() {
            counts.skip();
            counts.without_profile += 1;
        }
        let (mut events, mut failures) = (Vec::new(), Vec::new());
        for profile in &profiles {
            if !self.is_meant(profile) {
                counts.skip();
                continue;
            }
            if !profile.is_completed {
                counts.skip();
                counts.not_completed += 1;
                continue;
            }
            match event(profile, self.max_future_ms) {
                Ok(event) => events.push(event),
                Err(rejection) => {
                    counts.reject(rejection.reason);
                    failures.push(Failure { user: profile.user.clone(), why: rejection.detail });
                }
            }
        }
        Ok(Some(page.batch(counts, Work::Merge(events), failures)))
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
/// The user id, the time or a value is invalid for an event.
pub fn event(profile: &OnboardingProfile, max_future_ms: i64) -> Result<Event, Rejection> {
    let user = UserId::new(&profile.user)
        .ok_or_else(|| Rejection::new(Reason::BadUser, "userId: must have 1 to 191 code points, and no NUL"))?;
    let time = profile
        .updated_at
        .and_then(crate::codec::time::millis)
        .ok_or_else(|| Rejection::new(Reason::BadTime, "updatedAt: must be a time between 1970 and 9999"))?;
    if time.0 > profile.read_at.saturating_add(max_future_ms) {
        let detail = format!("updatedAt: dated more than {max_future_ms} ms after the database's clock");
        return Err(Rejection::new(Reason::FutureDated, detail));
    }
    let columns = profile.columns.as_ref().map_err(|why| Rejection::new(Reason::BadValue, why.clone()))?;
    let mut sections = columns.sections()?;
    if !sections.iter().any(|section| section.kind() == SectionKind::Destinations) {
        sections.push(Section::Destinations(Destinations { stated: false }));
    }
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
    use crate::codec::columns::Columns;
    use crate::codec::json::decode_preferences;

    const MAX_FUTURE_MS: i64 = 300_000;

    fn event(profile: &OnboardingProfile) -> Result<Event, Rejection> {
        super::event(profile, MAX_FUTURE_MS)
    }

    fn profile() -> OnboardingProfile {
        let texts = |items: &[&str]| Some(items.iter().map(|item| Some((*item).to_owned())).collect());
        let columns = Columns {
            global_range: Some(r#"{"min":50,"max":90,"currency":"eur"}"#.to_owned()),
            travel_types: texts(&["CULTURAL"]),
            travel_group_types: texts(&["solo"]),
            travel_with_children: Some(false),
            children_ages: Some(Vec::new()),
            accommodation_level: Some("LUXURY".to_owned()),
            interest_categories: texts(&["MUSEUMS"]),
            ..Columns::default()
        };
        with(columns)
    }

    fn with(columns: Columns) -> OnboardingProfile {
        OnboardingProfile {
            user: "ann".to_owned(),
            is_completed: true,
            updated_at: Some(1_767_225_600_000),
            columns: Ok(columns),
            read_at: 1_767_225_700_000,
            has_vector: false,
            has_segments: false,
        }
    }

    fn sections(profile: &OnboardingProfile) -> Vec<Section> {
        let Body::Onboarding(sections) = event(profile).unwrap().body else { panic!("an onboarding") };
        sections
    }

    #[test]
    fn a_profile_writes_every_section_but_quality_and_no_date_of_birth_that_it_does_not_have() {
        let kinds = |profile: &OnboardingProfile| {
            let mut kinds: Vec<SectionKind> = sections(profile).iter().map(Section::kind).collect();
            kinds.sort();
            kinds
        };
        use SectionKind::{
            Accommodation, Activities, Budget, Climate, Demographics, Destinations, Experience, Transport, Travel,
        };
        let all = [Budget, Travel, Accommodation, Activities, Experience, Climate, Destinations, Transport];
        assert_eq!(kinds(&profile()), all);
        let born = with(Columns { date_of_birth: Some("1990-05-12".to_owned()), ..Columns::default() });
        assert_eq!(kinds(&born), [&all[..], &[Demographics]].concat());
    }

    #[test]
    fn its_columns_are_decoded_as_an_events_preferences_are() {
        let preferences = r#"{"budget":{"globalRange":{"min":50,"max":90,"currency":"eur"}},"travel":{"types":["CULTURAL"],
            "purposes":null,"groupTypes":["solo"],"travelWithChildren":false,"childrenAges":[]},
            "accommodation":{"types":null,"comfortLevel":"LUXURY"},"activities":{"types":[],"interests":["MUSEUMS"],
            "activityLevel":null},"experience":{"riskTolerance":null},"climate":{"preferences":null},
            "transport":{"preferredAirlines":[]}}"#;
        let mut expected = decode_preferences(preferences, None).unwrap();
        expected.push(Section::Destinations(Destinations { stated: false }));
        assert_eq!(sections(&profile()), expected);
    }

    #[test]
    fn destinations_are_stated_by_an_object_and_absent_without_one() {
        let stated = |json_type: Option<&str>| {
            let columns = Columns { destinations: json_type.map(str::to_owned), ..Columns::default() };
            sections(&with(columns)).contains(&Section::Destinations(Destinations { stated: true }))
        };
        assert!(!stated(None) && !stated(Some("null")) && stated(Some("object")));
    }

    #[test]
    fn it_is_stamped_with_its_own_time_and_the_id_backfill() {
        let stamp = event(&profile()).unwrap().stamp;
        assert_eq!((stamp.time, &*stamp.id), (Millis(1_767_225_600_000), "backfill"));
    }

    #[test]
    fn the_error_names_the_field_and_not_the_value() {
        let with_range = |json: &str| with(Columns { global_range: Some(json.to_owned()), ..Columns::default() });
        let of_list = |texts| with(Columns { travel_purposes: Some(texts), ..Columns::default() });
        let broken = [
            (OnboardingProfile { updated_at: None, ..profile() }, "updatedAt"),
            (OnboardingProfile { updated_at: Some(-5), ..profile() }, "updatedAt"),
            (OnboardingProfile { updated_at: Some(1_767_226_000_001), ..profile() }, "updatedAt"),
            (with(Columns { destinations: Some("array".to_owned()), ..Columns::default() }), "destinations"),
            (with(Columns { date_of_birth: Some("yesterday".to_owned()), ..Columns::default() }), "dateOfBirth"),
            (with_range(r#"{"min":77,"max":1}"#), "globalRange"),
            (with_range(r#"{"min":77e999,"max":1}"#), "number"),
            (with_range("[77]"), "globalRange"),
            (with(Columns { children_ages: Some(vec![Some(77)]), ..Columns::default() }), "childrenAges"),
            (with(Columns { children_ages: Some(vec![None]), ..Columns::default() }), "childrenAges"),
            (of_list(vec![Some("77".to_owned()), None]), "purposes"),
            (of_list(vec![Some("77".to_owned()); 257]), "purposes"),
            (
                OnboardingProfile { columns: Err("activityTypes: a list of lists".to_owned()), ..profile() },
                "activityTypes",
            ),
        ];
        for (profile, field) in broken {
            let detail = event(&profile).unwrap_err().detail;
            assert!(detail.contains(field) && !detail.contains("77") && !detail.contains("yesterday"), "{detail}");
        }
    }
}
