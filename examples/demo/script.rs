//! The records produced for the service, a function of the seed.
//!
//! There are two phases. In the first all travellers are onboarded; in the second, which begins when the first is finished,
//! profiles change. Both have the irregularities of a real topic: repeats, records out of order, broken records.

use serde_json::{Value, json};

use super::random::Random;
use super::travellers::Habit;
use segmenter::domain::event::{Kind, Millis};

/// The purpose of a record.
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
    /// Each with its description.
    pub const ALL: [(Self, &str); 9] = [
        (Self::Onboarding, "travellers who complete their onboarding"),
        (Self::Update, "changes of a profile"),
        (Self::Repeat, "records that are delivered twice"),
        (Self::Overtaking, "changes that arrive before their onboarding"),
        (Self::Late, "old changes that arrive after newer ones"),
        (Self::Erasure, "travellers who are erased"),
        (Self::NoConcern, "events that carry nothing for segments"),
        (Self::UnknownUser, "travellers who are unknown to the platform"),
        (Self::Poison, "records that are broken"),
    ];
}

/// One record to be produced.
#[derive(Debug, Clone)]
pub struct ScriptedRecord {
    pub kind: Kind,
    pub key: Option<String>,
    pub value: Option<String>,
    pub timestamp: Millis,
}

/// A change of a profile that the report shows.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    pub title: &'static str,
    from: Habit,
    to: Habit,
}

const fn story(title: &'static str, from: Habit, to: Habit) -> Story {
    Story { title, from, to }
}

/// The stories of the first travellers.
pub const STORIES: [Story; 4] = [
    story("a backpacker starts a family", Habit::Backpacking, Habit::WithChildren),
    story("a business traveller retires", Habit::OnBusiness, Habit::Retired),
    story("a couple finds the mountains", Habit::AsCouple, Habit::ForAdventure),
    story("a backpacker inherits", Habit::Backpacking, Habit::InLuxury),
];

/// The id of a traveller by number, from 0.
pub fn traveller(number: u64) -> String {
    format!("traveller-{:05}", number + 1)
}

/// The whole demo.
#[derive(Debug)]
pub struct Script {
    /// The platform's users.
    pub users: Vec<String>,
    pub phases: [Vec<ScriptedRecord>; 2],
    /// The ingredient of each record.
    ingredients: Vec<Ingredient>,
}

impl Script {
    /// The script for so many travellers; the first is onboarded at `opening`.
    pub fn write(seed: u64, travellers: u64, opening: Millis) -> Self {
        let random = Random::new(seed);
        let mut writer = Writer { random, opening: opening.0, events: 0, records: Vec::new(), ingredients: Vec::new() };
        (0..travellers).for_each(|number| writer.onboard(number));
        writer.add_irregular(travellers);
        let first = writer.end_phase();
        (0..travellers).for_each(|number| writer.change_profile(number));
        let second = writer.end_phase();
        Self {
            users: (0..travellers).map(traveller).collect(),
            phases: [first, second],
            ingredients: writer.ingredients,
        }
    }

    /// The script whose last change is at `end`.
    pub fn until(end: Millis, seed: u64, travellers: u64) -> Self {
        Self::write(seed, travellers, Millis(end.0 - INTERVAL - travellers.cast_signed() * MINUTE))
    }

    /// The number of records.
    pub fn len(&self) -> u64 {
        self.ingredients.len() as u64
    }

    /// The number of records of this kind.
    pub fn count(&self, ingredient: Ingredient) -> u64 {
        self.ingredients.iter().filter(|found| **found == ingredient).count() as u64
    }
}

/// 2 June 2025, 08:00 UTC. A fixed time, so that ages and with them the segments are the same on every day.
pub const OPENING: Millis = Millis(1_748_851_200_000);
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// The second phase begins this much later.
const INTERVAL: i64 = 90 * DAY;
/// How long after its event a record is produced.
const DELAY: i64 = 1_000;

/// The most places that a repeat may be behind the record that it repeats.
const LONGEST_REPEAT_DELAY: u64 = 60;

/// By how many places a change precedes the onboarding that it overtakes.
const HEAD_START: u64 = 40;

struct Writer {
    random: Random,
    opening: i64,
    events: u64,
    /// Each record with its place in the phase.
    records: Vec<(u64, ScriptedRecord)>,
    ingredients: Vec<Ingredient>,
}

impl Writer {
    fn put(&mut self, place: u64, ingredient: Ingredient, record: ScriptedRecord) {
        self.ingredients.push(ingredient);
        self.records.push((place, record));
    }

    fn end_phase(&mut self) -> Vec<ScriptedRecord> {
        let mut records = std::mem::take(&mut self.records);
        // Stable: records of one place stay in the order of writing.
        records.sort_by_key(|(place, _)| *place);
        records.into_iter().map(|(_, record)| record).collect()
    }

    fn onboard(&mut self, number: u64) {
        let user = traveller(number);
        let at = self.opening + number.cast_signed() * MINUTE;
        let story = STORIES.get(number as usize);
        let habit = story.map_or_else(|| Habit::any(&mut self.random), |story| story.from);
        if story.is_none() && self.random.below(100) < 2 {
            let budget = Habit::any(&mut self.random).budget(&mut self.random);
            let record = self.updated(&user, at + 5 * MINUTE, json!({"budget": budget}));
            self.put(number.saturating_sub(HEAD_START), Ingredient::Overtaking, record);
        }
        let preferences = habit.preferences(&mut self.random);
        let record = self.onboarding(&user, at, preferences);
        if self.random.below(100) < 5 {
            let place = number + 1 + self.random.below(LONGEST_REPEAT_DELAY);
            self.put(place, Ingredient::Repeat, record.clone());
        }
        self.put(number, Ingredient::Onboarding, record);
    }

    /// The traveller's second phase.
    fn change_profile(&mut self, number: u64) {
        let user = traveller(number);
        let at = self.opening + INTERVAL + number.cast_signed() * MINUTE;
        let random = &mut self.random;
        let sections = if let Some(story) = STORIES.get(number as usize) {
            most_sections(story.to, random)
        } else {
            let roll = random.below(100);
            let habit = Habit::any(random);
            match roll {
                0..13 => json!({"budget": habit.budget(random)}),
                13..26 => json!({"activities": habit.activities(random)}),
                26..40 => most_sections(habit, random),
                40..43 => {
                    let (new, old) = (habit.budget(random), Habit::any(random).budget(random));
                    let late = self.updated(&user, at - DAY, json!({"budget": old}));
                    self.put(number + 1, Ingredient::Late, late);
                    json!({"budget": new})
                }
                43 => {
                    let (kind, timestamp) = (Kind::ProfileUpdated, Millis(at));
                    let tombstone = ScriptedRecord { kind, key: Some(user), value: None, timestamp };
                    return self.put(number, Ingredient::Erasure, tombstone);
                }
                _ => return,
            }
        };
        let record = self.updated(&user, at, sections);
        self.put(number, Ingredient::Update, record);
    }

    /// Adds records that are skipped or dead-lettered: one of each kind, and one more for every thousand travellers.
    fn add_irregular(&mut self, travellers: u64) {
        for _ in 0..=travellers / 1000 {
            for (ingredient, record) in self.irregular() {
                let place = self.random.below(travellers);
                self.put(place, ingredient, record);
            }
        }
    }

    fn irregular(&mut self) -> [(Ingredient, ScriptedRecord); 9] {
        let number = self.random.below(1000);
        let (user, stranger) = (traveller(number), format!("stranger-{number:03}"));
        let at = self.opening + DAY;
        let preferences = Habit::any(&mut self.random).preferences(&mut self.random);
        let bad_budget = json!({"budget": {"globalRange": {"min": 300, "max": 100, "currency": "EUR"}}});
        let bad_age = json!({"travel": {"travelWithChildren": true, "childrenAges": [130]}});

        let incomplete = json!({"userId": user, "completedAt": time(at), "profile": {"isOnboardingCompleted": false}});
        let no_time = json!({"userId": user, "completedAt": "yesterday", "profile": {"preferences": {}}});
        let no_user = json!({"completedAt": time(at), "profile": {"preferences": {}}});
        let only_a_name = json!({"userId": user, "updatedAt": time(at), "profile": {"firstName": "Kim"}});
        let (onboarding, update) = (Kind::OnboardingCompleted, Kind::ProfileUpdated);
        let mut cut_off = self.onboarding(&user, at, preferences.clone());
        cut_off.value = cut_off.value.map(|value| value.chars().take(200).collect());
        let mut early = self.onboarding(&user, at, preferences.clone());
        early.timestamp = Millis(at - DAY);
        [
            (Ingredient::NoConcern, self.enveloped(onboarding, &user, at, incomplete)),
            (Ingredient::NoConcern, self.enveloped(update, &user, at, only_a_name)),
            (Ingredient::UnknownUser, self.onboarding(&stranger, at, preferences)),
            (Ingredient::Poison, cut_off),
            (Ingredient::Poison, early),
            (Ingredient::Poison, self.enveloped(onboarding, &user, at, no_time)),
            (Ingredient::Poison, ScriptedRecord { key: None, ..self.enveloped(onboarding, &user, at, no_user) }),
            (Ingredient::Poison, self.updated(&user, at, bad_budget)),
            (Ingredient::Poison, self.updated(&user, at, bad_age)),
        ]
    }

    fn onboarding(&mut self, user: &str, at: i64, preferences: Value) -> ScriptedRecord {
        let profile = json!({
            "userId": user,
            "isOnboardingCompleted": true,
            "preferences": preferences,
            "metadata": {"profileVersion": 1, "dataQuality": {"completeness": 90, "confidence": 80}},
        });
        let payload = json!({"userId": user, "profile": profile, "completedAt": time(at)});
        self.enveloped(Kind::OnboardingCompleted, user, at, payload)
    }

    fn updated(&mut self, user: &str, at: i64, preferences: Value) -> ScriptedRecord {
        let payload = json!({"userId": user, "updatedAt": time(at), "preferences": preferences});
        self.enveloped(Kind::ProfileUpdated, user, at, payload)
    }

    fn enveloped(&mut self, kind: Kind, user: &str, at: i64, payload: Value) -> ScriptedRecord {
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
        ScriptedRecord { kind, key: Some(user.to_owned()), value: Some(envelope.to_string()), timestamp }
    }
}

fn most_sections(habit: Habit, random: &mut Random) -> Value {
    json!({
        "budget": habit.budget(random),
        "travel": habit.travel(random),
        "accommodation": habit.accommodation(random),
        "activities": habit.activities(random),
    })
}

fn time(at: i64) -> String {
    Millis(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_writes_one_script_with_every_ingredient() {
        let values = |seed| -> Vec<_> {
            let script = Script::write(seed, 1000, OPENING);
            assert!(Ingredient::ALL.iter().all(|(ingredient, _)| script.count(*ingredient) > 0));
            script.phases.into_iter().flatten().map(|record| (record.key, record.value)).collect()
        };
        assert_eq!(values(7), values(7));
        assert_ne!(values(7), values(8));
    }
}
