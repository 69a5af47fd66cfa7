//! What is fed to the service: every record of the demo, decided by the seed alone.
//!
//! Two acts. In the first everybody is onboarded; in the second, which begins when all of the first is finished, lives
//! change. Both have the accidents that a real topic has: repeats, records out of order, records that nobody can read.

use serde_json::{Value, json};

use super::random::Random;
use super::travellers::Habit;
use crate::event::{Kind, Millis};

/// Why a record is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingredient {
    Onboarding,
    Update,
    Repeat,
    Overtaking,
    Late,
    Erasure,
    NoConcern,
    UnknownUser,
    Poison,
}

impl Ingredient {
    pub const ALL: [Self; 9] = [
        Self::Onboarding,
        Self::Update,
        Self::Repeat,
        Self::Overtaking,
        Self::Late,
        Self::Erasure,
        Self::NoConcern,
        Self::UnknownUser,
        Self::Poison,
    ];

    pub fn describe(self) -> &'static str {
        match self {
            Self::Onboarding => "travellers who complete their onboarding",
            Self::Update => "changes of a profile",
            Self::Repeat => "records that are delivered twice",
            Self::Overtaking => "changes that arrive before their onboarding",
            Self::Late => "old changes that arrive after newer ones",
            Self::Erasure => "travellers who ask to be forgotten",
            Self::NoConcern => "events that carry nothing for segments",
            Self::UnknownUser => "travellers whom the platform does not know",
            Self::Poison => "records that are broken",
        }
    }
}

/// One record to be produced.
#[derive(Debug, Clone)]
pub struct ScriptedRecord {
    pub kind: Kind,
    pub key: Option<String>,
    pub value: Option<String>,
    pub timestamp: Millis,
    pub ingredient: Ingredient,
}

/// A change of life that the report follows.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    pub title: &'static str,
    from: Habit,
    to: Habit,
    date_of_birth: Option<&'static str>,
}

/// The first travellers live these.
pub const STORIES: [Story; 4] = [
    Story {
        title: "a backpacker starts a family",
        from: Habit::Backpacking,
        to: Habit::WithChildren,
        date_of_birth: None,
    },
    Story {
        title: "a business traveller retires",
        from: Habit::OnBusiness,
        to: Habit::Retired,
        date_of_birth: Some("1957-03-09"),
    },
    Story {
        title: "a couple finds the mountains",
        from: Habit::AsCouple,
        to: Habit::ForAdventure,
        date_of_birth: None,
    },
    Story { title: "a backpacker inherits", from: Habit::Backpacking, to: Habit::InLuxury, date_of_birth: None },
];

/// The whole demo.
#[derive(Debug)]
pub struct Script {
    /// The platform's users.
    pub users: Vec<String>,
    pub acts: [Vec<ScriptedRecord>; 2],
}

/// The id of a traveller by number, from 0.
pub fn traveller(number: u64) -> String {
    format!("traveller-{:05}", number + 1)
}

impl Script {
    /// The script for so many travellers.
    pub fn write(seed: u64, travellers: u64) -> Self {
        let mut writer = Writer { random: Random::new(seed), events: 0, act: Vec::new() };
        for number in 0..travellers {
            writer.onboard(number);
        }
        writer.add_accidents(travellers);
        let first = writer.end_act();
        for number in 0..travellers {
            writer.live_on(number);
        }
        let second = writer.end_act();
        Self { users: (0..travellers).map(traveller).collect(), acts: [first, second] }
    }

    pub fn len(&self) -> u64 {
        self.records().count() as u64
    }

    pub fn is_empty(&self) -> bool {
        self.records().next().is_none()
    }

    /// How many records of this kind there are.
    pub fn count(&self, ingredient: Ingredient) -> u64 {
        self.records().filter(|record| record.ingredient == ingredient).count() as u64
    }

    fn records(&self) -> impl Iterator<Item = &ScriptedRecord> {
        self.acts.iter().flatten()
    }
}

/// 2 June 2025, 08:00 UTC. A fixed time, so that ages and with them the segments are the same on every day.
const OPENING: i64 = 1_748_851_200_000;
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// The second act begins so much later.
const INTERVAL: i64 = 90 * DAY;
/// How long after its event a record is made.
const DELAY: i64 = 1_000;

/// How many places a repeat may be behind the record that it repeats.
const LONGEST_REPEAT_DELAY: u64 = 60;

/// How many places a change is ahead of the onboarding that it overtakes.
const HEAD_START: u64 = 40;

/// The kinds of broken records, each this often and once more for every thousand travellers.
const ACCIDENTS_OF_A_KIND: u64 = 1;

struct Writer {
    random: Random,
    events: u64,
    /// Each record with its place in the act.
    act: Vec<(u64, ScriptedRecord)>,
}

impl Writer {
    fn end_act(&mut self) -> Vec<ScriptedRecord> {
        let mut act = std::mem::take(&mut self.act);
        // Stable: what shares a place stays in the order of writing.
        act.sort_by_key(|(place, _)| *place);
        act.into_iter().map(|(_, record)| record).collect()
    }

    fn onboard(&mut self, number: u64) {
        let user = traveller(number);
        let at = OPENING + i64::try_from(number).unwrap_or(0) * MINUTE;
        let story = story(number);
        let habit = story.map_or_else(|| Habit::any(&mut self.random), |story| story.from);
        if story.is_none() && self.random.percent(2) {
            let other = Habit::any(&mut self.random);
            let update = json!({"budget": other.budget(&mut self.random)});
            self.update(number.saturating_sub(HEAD_START), &user, at + 5 * MINUTE, update, Ingredient::Overtaking);
        }
        let preferences = habit.preferences(&mut self.random);
        let record = self.onboarding(&user, at, preferences, Ingredient::Onboarding);
        if self.random.percent(5) {
            let place = number + 1 + self.random.below(LONGEST_REPEAT_DELAY);
            self.act.push((place, ScriptedRecord { ingredient: Ingredient::Repeat, ..record.clone() }));
        }
        self.act.push((number, record));
    }

    /// What becomes of a traveller in the second act.
    fn live_on(&mut self, number: u64) {
        let user = traveller(number);
        let at = OPENING + INTERVAL + i64::try_from(number).unwrap_or(0) * MINUTE;
        if let Some(story) = story(number) {
            let mut payload = json!({"preferences": self.most_sections(story.to)});
            if let Some(date) = story.date_of_birth
                && let Some(payload) = payload.as_object_mut()
            {
                payload.insert("profile".to_owned(), json!({"dateOfBirth": date}));
            }
            let record = self.updated(&user, at, payload, Ingredient::Update);
            self.act.push((number, record));
            return;
        }
        match self.random.below(100) {
            0..40 => {
                let other = Habit::any(&mut self.random);
                let sections = match self.random.below(3) {
                    0 => json!({"budget": other.budget(&mut self.random)}),
                    1 => json!({"activities": other.activities(&mut self.random)}),
                    _ => self.most_sections(other),
                };
                self.update(number, &user, at, sections, Ingredient::Update);
            }
            40..43 => {
                let old = Habit::any(&mut self.random).budget(&mut self.random);
                let new = Habit::any(&mut self.random).budget(&mut self.random);
                self.update(number, &user, at, json!({"budget": new}), Ingredient::Update);
                self.update(number + 1, &user, at - DAY, json!({"budget": old}), Ingredient::Late);
            }
            43 => {
                let timestamp = Millis(at);
                let kind = Kind::ProfileUpdated;
                let ingredient = Ingredient::Erasure;
                self.act.push((number, ScriptedRecord { kind, key: Some(user), value: None, timestamp, ingredient }));
            }
            _ => {}
        }
    }

    fn most_sections(&mut self, habit: Habit) -> Value {
        let random = &mut self.random;
        json!({
            "budget": habit.budget(random),
            "travel": habit.travel(random),
            "accommodation": habit.accommodation(random),
            "activities": habit.activities(random),
        })
    }

    fn update(&mut self, place: u64, user: &str, at: i64, preferences: Value, ingredient: Ingredient) {
        let record = self.updated(user, at, json!({"preferences": preferences}), ingredient);
        self.act.push((place, record));
    }

    /// Strews in what is skipped and what goes to the dead letters.
    fn add_accidents(&mut self, travellers: u64) {
        let of_a_kind = ACCIDENTS_OF_A_KIND + travellers / 1000;
        for _ in 0..of_a_kind {
            for record in self.accidents() {
                let place = self.random.below(travellers);
                self.act.push((place, record));
            }
        }
    }

    /// One of each kind.
    fn accidents(&mut self) -> Vec<ScriptedRecord> {
        let number = self.random.below(1000);
        let (user, stranger) = (traveller(number), format!("stranger-{number:03}"));
        let at = OPENING + DAY;
        let habit = Habit::any(&mut self.random);
        let preferences = habit.preferences(&mut self.random);
        let bad_budget = json!({"budget": {"globalRange": {"min": 300, "max": 100, "currency": "EUR"}}});
        let bad_age = json!({"travel": {"travelWithChildren": true, "childrenAges": [130]}});
        let only_a_name = json!({"profile": {"firstName": "Somebody"}});

        let incomplete = json!({"userId": user, "completedAt": time(at), "profile": {"isOnboardingCompleted": false}});
        let no_time = json!({"userId": user, "completedAt": "yesterday", "profile": {"preferences": {}}});
        let nobodys = json!({"completedAt": time(at), "profile": {"preferences": {}}});
        let onboarding = Kind::OnboardingCompleted;
        let mut cut_off = self.onboarding(&user, at, preferences.clone(), Ingredient::Poison);
        cut_off.value = cut_off.value.map(|value| value.chars().take(200).collect());
        let mut early = self.onboarding(&user, at, preferences.clone(), Ingredient::Poison);
        early.timestamp = Millis(at - DAY);
        vec![
            self.enveloped(onboarding, &user, at, incomplete, Ingredient::NoConcern),
            self.updated(&user, at, only_a_name, Ingredient::NoConcern),
            self.onboarding(&stranger, at, preferences, Ingredient::UnknownUser),
            cut_off,
            early,
            self.enveloped(onboarding, &user, at, no_time, Ingredient::Poison),
            ScriptedRecord { key: None, ..self.enveloped(onboarding, &user, at, nobodys, Ingredient::Poison) },
            self.updated(&user, at, json!({"preferences": bad_budget}), Ingredient::Poison),
            self.updated(&user, at, json!({"preferences": bad_age}), Ingredient::Poison),
        ]
    }

    fn onboarding(&mut self, user: &str, at: i64, preferences: Value, ingredient: Ingredient) -> ScriptedRecord {
        let profile = json!({
            "userId": user,
            "isOnboardingCompleted": true,
            "preferences": preferences,
            "metadata": {"profileVersion": 1, "dataQuality": {"completeness": 90, "confidence": 80}},
        });
        let payload = json!({"userId": user, "profile": profile, "completedAt": time(at)});
        self.enveloped(Kind::OnboardingCompleted, user, at, payload, ingredient)
    }

    /// `payload` is completed with user and time.
    fn updated(&mut self, user: &str, at: i64, mut payload: Value, ingredient: Ingredient) -> ScriptedRecord {
        if let Some(payload) = payload.as_object_mut() {
            payload.insert("userId".to_owned(), json!(user));
            payload.insert("updatedAt".to_owned(), json!(time(at)));
        }
        self.enveloped(Kind::ProfileUpdated, user, at, payload, ingredient)
    }

    fn enveloped(&mut self, kind: Kind, user: &str, at: i64, payload: Value, ingredient: Ingredient) -> ScriptedRecord {
        self.events += 1;
        let envelope = json!({
            "eventId": format!("demo-{:06}", self.events),
            "eventType": kind.event_type(),
            "timestamp": time(at),
            "version": "1.0",
            "source": "segmenter-demo",
            "correlationId": format!("session-{user}"),
            "payload": payload,
        });
        let timestamp = Millis(at + DELAY);
        ScriptedRecord { kind, key: Some(user.to_owned()), value: Some(envelope.to_string()), timestamp, ingredient }
    }
}

fn story(number: u64) -> Option<&'static Story> {
    usize::try_from(number).ok().and_then(|number| STORIES.get(number))
}

fn time(at: i64) -> String {
    Millis(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_writes_one_script() {
        let values = |seed| -> Vec<_> {
            let script = Script::write(seed, 300);
            script.acts.into_iter().flatten().map(|record| (record.key, record.value)).collect()
        };
        assert_eq!(values(7), values(7));
        assert_ne!(values(7), values(8));
    }

    #[test]
    fn every_ingredient_is_in_the_script() {
        let script = Script::write(7, 1000);
        for ingredient in Ingredient::ALL {
            assert!(script.count(ingredient) > 0, "{ingredient:?}");
        }
        assert_eq!(Ingredient::ALL.map(|ingredient| script.count(ingredient)).iter().sum::<u64>(), script.len());
    }
}
