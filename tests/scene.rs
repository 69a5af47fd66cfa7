//! A scene for the live service: topics and a database of its own, processes of the real binary, and the final checks of every
//! scene.

use std::collections::BTreeMap;
use std::time::Duration;

use segmenter::codec;
use segmenter::codec::{Decoded, Limits, RawRecord};
use segmenter::domain::event::{Event, Kind};
use serde_json::{Value, json};

use crate::support::history::{Change, Observation, PublishedRow, Recommender, violations};
use crate::support::{Database, Kafka, OwnedRecord, Record, Segmenter, eventually, kafka, segmenter};
use crate::world::{assert_table_equals_oracle, migrated_database};

/// Topics, database and group of one test.
pub struct Scene {
    pub database: Database,
    pub kafka: &'static Kafka,
    pub onboarding: String,
    pub updates: String,
    pub changes: String,
    pub dead: String,
    pub group: String,
}

/// Has a process use the group protocol in which the brokers assign the partitions.
pub const CONSUMER_PROTOCOL: (&str, &str) = ("SEGMENTER_KAFKA_GROUP_PROTOCOL", "consumer");

/// Whether the processes of every scene use it: `GROUP_PROTOCOL=consumer`.
pub fn brokers_assign() -> bool {
    match std::env::var("GROUP_PROTOCOL").as_deref() {
        Err(_) | Ok("classic") => false,
        Ok("consumer") => true,
        Ok(other) => panic!("GROUP_PROTOCOL is neither classic nor consumer: {other}"),
    }
}

const SESSION_TIMEOUT: &str = "SEGMENTER_KAFKA_SESSION_TIMEOUT";

/// How long anything may take on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(120);

impl Scene {
    /// A scene with `partitions` partitions an input topic.
    pub async fn new(partitions: i32) -> Self {
        Self::on(kafka(), partitions).await
    }

    /// [`Self::new`] on a broker of the test's own.
    pub async fn on(kafka: &'static Kafka, partitions: i32) -> Self {
        // Old and future records stay as they are, and large ones fit.
        let open = [
            ("retention.ms", "-1"),
            ("message.timestamp.after.max.ms", "9223372036854775807"),
            ("max.message.bytes", "26214400"),
        ];
        let onboarding = kafka.create_topic("onboarding", partitions, &open).await;
        let updates = kafka.create_topic("updates", partitions, &open).await;
        let changes = kafka.create_topic("changes", 2, &[]).await;
        let dead = kafka.create_topic("dead", 1, &[]).await;
        let group = format!("group-{onboarding}");
        Self { database: migrated_database().await, kafka, onboarding, updates, changes, dead, group }
    }

    /// The environment of a process in this scene.
    pub fn environment(&self) -> Vec<(&str, &str)> {
        vec![
            ("KAFKA_BROKERS", self.kafka.brokers()),
            ("DATABASE_URL", self.database.url()),
            ("SEGMENTER_GROUP_ID", &self.group),
            ("SEGMENTER_TOPICS_ONBOARDING_COMPLETED", &self.onboarding),
            ("SEGMENTER_TOPICS_PROFILE_UPDATED", &self.updates),
            ("SEGMENTER_TOPICS_SEGMENT_CHANGED", &self.changes),
            ("SEGMENTER_TOPICS_DEAD_LETTER", &self.dead),
            (SESSION_TIMEOUT, "6s"),
            ("SEGMENTER_HTTP_ADDR", "127.0.0.1:0"),
        ]
    }

    /// Starts `segmenter serve`.
    pub fn serve(&self) -> Segmenter {
        self.serve_with(&[])
    }

    /// Starts `segmenter serve` with more variables, which take precedence.
    pub fn serve_with(&self, more: &[(&str, &str)]) -> Segmenter {
        let mut environment = self.environment();
        environment.extend(brokers_assign().then_some(CONSUMER_PROTOCOL));
        environment.extend(more);
        // There the brokers set the session timeout.
        if environment.contains(&CONSUMER_PROTOCOL) {
            environment.retain(|(name, _)| *name != SESSION_TIMEOUT);
        }
        segmenter(&["serve"], &environment)
    }

    /// Waits until the group has committed all of both topics and every change is published.
    pub async fn settled(&self) {
        eventually(DEADLINE, "everything is committed and published", || async {
            self.is_read().await && self.outbox().await == 0
        })
        .await;
    }

    /// Waits until the group has committed all of both topics.
    pub async fn read(&self) {
        eventually(DEADLINE, "everything is committed", || self.is_read()).await;
    }

    pub async fn is_read(&self) -> bool {
        self.is_committed(&self.onboarding).await && self.is_committed(&self.updates).await
    }

    /// Expires all leases, so that a test does not wait for those of a dead or paused process.
    pub async fn expire_leases(&self) {
        self.database.run("update segmenter.outbox set leased_until = 'epoch'").await;
    }

    async fn is_committed(&self, topic: &str) -> bool {
        let (committed, ends) = (self.kafka.committed(&self.group, topic).await, self.kafka.end_offsets(topic).await);
        // The partitions of a new topic may have no leader yet: then the topic is not fully committed.
        let is_whole = !ends.is_empty() && committed.len() == ends.len();
        is_whole && committed.iter().zip(&ends).all(|(committed, end)| committed.unwrap_or(0) == *end)
    }

    /// How many outbox rows there are.
    pub async fn outbox(&self) -> i64 {
        sqlx::query_scalar("select count(*) from segmenter.outbox").fetch_one(self.database.pool()).await.unwrap()
    }

    /// The decoded events of both topics.
    pub async fn accepted(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for (topic, kind) in [(&self.onboarding, Kind::OnboardingCompleted), (&self.updates, Kind::ProfileUpdated)] {
            for record in self.kafka.read_all(topic).await {
                if let Decoded::Event(event) = decode(&record, topic, kind) {
                    events.push(event);
                }
            }
        }
        events
    }

    /// The final check of every scene: the table equals the oracle, and a recommender reads every change, the newest last.
    pub async fn assert_right(&self) {
        let events = self.accepted().await;
        assert_table_equals_oracle(self.database.pool(), &events).await;
        self.assert_changes_form_chains().await;
    }

    /// A recommender that reads all changes observes a history without gaps, which ends with the rows.
    pub async fn assert_changes_form_chains(&self) {
        let observations = self.kafka.read_all(&self.changes).await.iter().map(observed).collect();
        let recommender = Recommender { name: "a recommender", from_the_beginning: true, observations };
        let violations = violations(&[recommender], &self.published_rows().await, &[]);
        assert!(
            violations.is_empty(),
            "{} violations, the first: {:#?}",
            violations.len(),
            &violations[..violations.len().min(5)]
        );
    }

    /// The rows of the published users.
    pub async fn published_rows(&self) -> BTreeMap<String, PublishedRow> {
        let published: Vec<(String, i64, Option<String>)> = sqlx::query_as(
            r#"select s.user_id, s.revision, v.segments::text from segmenter.profile_states s
               left join user_vectors v on v."userId" = s.user_id where s.revision > 0"#,
        )
        .fetch_all(self.database.pool())
        .await
        .unwrap();
        published
            .into_iter()
            .map(|(user, revision, segments)| {
                let segments = segments.map(|text| names(&serde_json::from_str(&text).unwrap())).unwrap_or_default();
                (user, PublishedRow { revision, segments })
            })
            .collect()
    }

    /// The dead letters.
    pub async fn dead_letters(&self) -> Vec<OwnedRecord> {
        self.kafka.read_all(&self.dead).await
    }
}

fn names(ranking: &Value) -> Vec<String> {
    ranking.as_array().unwrap().iter().map(|one| one["segment"].as_str().unwrap().to_owned()).collect()
}

/// A record of segment-changed, as a recommender observes it.
pub fn observed(record: &OwnedRecord) -> Observation {
    let change = record.value.as_ref().map(|bytes| {
        let value = record.json();
        Change {
            event_id: value["eventId"].as_str().unwrap().to_owned(),
            previous: names(&value["payload"]["previousSegments"]),
            new: names(&value["payload"]["newSegments"]),
            bytes: bytes.clone(),
        }
    });
    Observation {
        user: record.key_text().to_owned(),
        revision: record.header("segmenter.revision").unwrap().parse().unwrap(),
        at: record.timestamp.unwrap(),
        change,
    }
}

/// Decodes a record as the service does.
pub fn decode(record: &OwnedRecord, topic: &str, kind: Kind) -> Decoded {
    let raw = RawRecord {
        kind,
        topic,
        partition: record.partition,
        offset: record.offset,
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        timestamp: record.timestamp,
        traceparent: record.header("traceparent").map(str::as_bytes),
    };
    codec::decode(&raw, &Limits::default())
}

/// Pseudo-random numbers, the same in every run.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn pick<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words[usize::try_from(self.below(words.len() as u64)).unwrap()]
    }
}

/// The time of an event, within a fixed hour.
fn instant(numbers: &mut Numbers) -> String {
    let (minute, second, milli) = (numbers.below(60), numbers.below(60), numbers.below(1000));
    format!("2026-03-01T10:{minute:02}:{second:02}.{milli:03}Z")
}

fn envelope(event_type: &str, id: u64, timestamp: &str, payload: &Value) -> Value {
    json!({
        "eventId": uuid::Uuid::from_u128(u128::from(id)).to_string(), "eventType": event_type, "timestamp": timestamp,
        "version": "1.0", "source": "user-service", "correlationId": format!("correlation-{id}"), "payload": payload,
    })
}

/// An onboarding as the platform's shared client sends it.
pub fn onboarding_event(user: &str, id: u64, numbers: &mut Numbers) -> Value {
    let at = instant(numbers);
    let minimum = numbers.below(200);
    let payload = json!({
        "userId": user, "completedAt": at,
        "profile": {
            "userId": user, "isOnboardingCompleted": true,
            "preferences": {
                "budget": {"globalRange": {"min": minimum, "max": minimum + numbers.below(900), "currency": "EUR"}, "flexibility": null},
                "travel": {
                    "types": [numbers.pick(&["CULTURAL", "NATURE", "CRUISE", "business"]), numbers.pick(&["BEACH", "URBAN"])],
                    "groupTypes": [numbers.pick(&["SOLO", "couple", "FAMILY", "FRIENDS"])],
                    "travelWithChildren": false, "childrenAges": [],
                },
                "accommodation": {"types": ["HOTEL"], "comfortLevel": numbers.pick(&["basic", "standard", "luxury"])},
                "activities": {"types": ["museums"], "interests": ["HIKING"], "activityLevel": numbers.pick(&["low", "high"])},
                "timing": {"preferredSeasons": ["SUMMER"]},
            },
            "metadata": {"completedSteps": ["budget"], "dataQuality": {"completeness": numbers.below(101), "confidence": 50}},
        },
    });
    envelope("user.onboarding.completed", id, &at, &payload)
}

/// A profile update as the platform's shared client sends it.
pub fn update_event(user: &str, id: u64, numbers: &mut Numbers) -> Value {
    let at = instant(numbers);
    let payload = json!({
        "userId": user, "updatedAt": at, "profile": {"firstName": "Never", "dateOfBirth": format!("19{}-05-12", 50 + numbers.below(49))},
        "preferences": {"activities": {"types": [], "interests": ["MUSEUMS"], "activityLevel": numbers.pick(&["low", "moderate", "very_high"])}},
    });
    envelope("user.profile.updated", id, &at, &payload)
}

/// A record of the event, keyed by its user.
pub fn record(user: &str, event: &Value) -> Record {
    Record::new(user, event.to_string())
}

/// Onboardings and updates of `users` users in a random order, with some given twice: `(topic is onboarding, user, event)`.
pub fn history(users: u64, events: u64, seed: u64) -> Vec<(bool, String, Value)> {
    let mut numbers = Numbers(seed);
    let mut history: Vec<(bool, String, Value)> = Vec::new();
    for id in 0..events {
        let user = format!("user-{}", numbers.below(users));
        let is_onboarding = numbers.below(10) < 6;
        let event = if is_onboarding {
            onboarding_event(&user, id, &mut numbers)
        } else {
            update_event(&user, id, &mut numbers)
        };
        history.push((is_onboarding, user, event));
        if numbers.below(10) == 0 {
            let again = usize::try_from(numbers.below(history.len() as u64)).unwrap();
            history.push(history[again].clone());
        }
    }
    history
}

impl Scene {
    /// Adds `user-0` to `user-<count - 1>` to `users`.
    pub async fn add_users(&self, count: u64) {
        let names: Vec<String> = (0..count).map(|number| format!("user-{number}")).collect();
        self.database.add_users(names.iter().map(String::as_str)).await;
    }

    /// Produces a history.
    pub async fn produce(&self, history: &[(bool, String, Value)]) {
        for (topic, wanted) in [(&self.onboarding, true), (&self.updates, false)] {
            let records = history.iter().filter(|(is_onboarding, ..)| *is_onboarding == wanted);
            self.kafka.produce_all(topic, records.map(|(_, user, event)| record(user, event))).await;
        }
    }
}
