//! The events of a measurement, generated from a seed: onboardings, updates that change something, updates that do not,
//! duplicates.

use segmenter::domain::event::{Kind, Millis};
use uuid::{Builder, Uuid};

use random::Random;

#[path = "../../examples/demo/random.rs"]
mod random;

/// Long past, so that no event is dated after its record.
const BEGIN: i64 = 1_735_689_600_000;
/// How far apart two events and two backlogs are, ms.
const STEP: i64 = 5;
const BACKLOG: i64 = 24 * 60 * 60 * 1000;
/// The most events between a duplicate and its original.
const DUPLICATE_REACH: u64 = 1000;

/// One event. Its content depends only on its user and version.
#[derive(Debug, Clone, Copy)]
pub struct Planned {
    pub kind: Kind,
    /// The number of the user.
    pub user: u64,
    /// Of the sections that updates carry; equal versions carry equal content.
    pub version: u32,
    /// The number of the event; duplicates have their original's.
    pub id: u64,
    pub time: Millis,
}

/// The events so far.
pub struct History {
    random: Random,
    /// The version of each user that may be updated.
    versions: Vec<u32>,
    next_user: u64,
    next_id: u64,
    backlogs: i64,
}

impl History {
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), versions: Vec::new(), next_user: 0, next_id: 0, backlogs: 0 }
    }

    /// Onboardings of `count` users, which may be updated from then on.
    pub fn onboardings(&mut self, count: u64) -> Vec<Planned> {
        let planned = (0..count).map(|place| self.onboarding(place)).collect();
        self.versions.resize(usize::try_from(self.next_user).expect("they fit into memory"), 0);
        self.backlogs += 1;
        planned
    }

    /// `count` events: 70 % are updates that change something, 10 % newer updates with the same content, 10 % duplicates,
    /// 10 % onboardings of new users.
    pub fn mixed(&mut self, count: u64) -> Vec<Planned> {
        let mut planned: Vec<Planned> = Vec::new();
        for place in 0..count {
            let event = match self.random.below(100) {
                0..70 => self.update(place, 1),
                70..80 => self.update(place, 0),
                80..90 if place > 0 => {
                    let back = 1 + self.random.below(DUPLICATE_REACH.min(place));
                    planned[usize::try_from(place - back).expect("it fits into memory")]
                }
                _ => self.onboarding(place),
            };
            planned.push(event);
        }
        self.backlogs += 1;
        planned
    }

    fn update(&mut self, place: u64, change: u32) -> Planned {
        let user = self.random.below(self.versions.len() as u64);
        let version = &mut self.versions[usize::try_from(user).expect("it fits into memory")];
        *version += change;
        let version = *version;
        self.plan(Kind::ProfileUpdated, user, version, place)
    }

    fn onboarding(&mut self, place: u64) -> Planned {
        let user = self.next_user;
        self.next_user += 1;
        self.plan(Kind::OnboardingCompleted, user, 0, place)
    }

    fn plan(&mut self, kind: Kind, user: u64, version: u32, place: u64) -> Planned {
        let id = self.next_id;
        self.next_id += 1;
        let place = i64::try_from(place).expect("few events");
        Planned { kind, user, version, id, time: Millis(BEGIN + self.backlogs * BACKLOG + place * STEP) }
    }
}

/// The id of the user with this number, in the platform's form.
pub fn user_id(user: u64) -> Uuid {
    random_uuid(&mut Random::new(user ^ 0x7573_6572))
}

fn random_uuid(random: &mut Random) -> Uuid {
    let half = |random: &mut Random| u128::from(random.below(u64::MAX));
    Builder::from_u128((half(random) << 64) | half(random)).with_version(uuid::Version::Random).into_uuid()
}

impl Planned {
    /// The `eventId`.
    pub fn event_id(&self) -> Uuid {
        random_uuid(&mut Random::new(self.id ^ 0x6576_656e_7400))
    }

    /// The event in JSON, in the envelope of the platform's shared client.
    pub fn json(&self) -> String {
        let (event, correlation) = (self.event_id(), random_uuid(&mut Random::new(self.id ^ 0x636f_7272)));
        let (kind, time) = (self.kind.event_type(), self.time);
        let payload = match self.kind {
            Kind::OnboardingCompleted => self.onboarding_payload(),
            Kind::ProfileUpdated => self.update_payload(),
        };
        format!(
            r#"{{"eventId":"{event}","eventType":"{kind}","timestamp":"{time}","version":"1.0","source":"user-service","correlationId":"{correlation}","causationId":null,"metadata":{{"environment":"production","requestPath":"/api/v1/onboarding","userAgent":"Mozilla/5.0"}},"payload":{payload}}}"#
        )
    }

    fn onboarding_payload(&self) -> String {
        let (user, time) = (user_id(self.user), self.time);
        let (changing, lasting) = (changing_sections(self.user, self.version), lasting_sections(self.user));
        let completeness = 40 + Random::new(self.user).below(61);
        format!(
            r#"{{"userId":"{user}","profile":{{"userId":"{user}","isOnboardingCompleted":true,"preferences":{{{changing},{lasting}}},"metadata":{{"completedSteps":["destinations","budget","travel","accommodation","activities"],"profileVersion":1,"dataQuality":{{"completeness":{completeness},"confidence":70}}}}}},"completedAt":"{time}"}}"#
        )
    }

    fn update_payload(&self) -> String {
        let (user, time) = (user_id(self.user), self.time);
        let (changing, lasting) = (changing_sections(self.user, self.version), lasting_sections(self.user));
        let year = 1950 + Random::new(self.user).below(55);
        format!(
            r#"{{"userId":"{user}","updatedAt":"{time}","profile":{{"userId":"{user}","firstName":"Never","lastName":"Kept","phoneNumber":"+33 1 23 45 67 89","dateOfBirth":"{year}-05-17"}},"preferences":{{{changing},{lasting}}}}}"#
        )
    }
}

const TRAVEL_TYPES: [&str; 16] = [
    "ADVENTURE",
    "CULTURAL",
    "RELAXATION",
    "BUSINESS",
    "FAMILY",
    "ROMANTIC",
    "WELLNESS",
    "EDUCATIONAL",
    "CULINARY",
    "SHOPPING",
    "NIGHTLIFE",
    "NATURE",
    "URBAN",
    "BEACH",
    "MOUNTAIN",
    "HISTORICAL",
];
const ACTIVITIES: [&str; 10] =
    ["MUSEUMS", "ART", "HISTORY", "HIKING", "BEACH", "OUTDOOR", "COOKING", "SPA", "DIVING", "CONCERTS"];

/// The sections that an update changes: budget, travel, activities.
fn changing_sections(user: u64, version: u32) -> String {
    let random = &mut Random::new((user << 20) ^ u64::from(version));
    let least = 50 * random.between(2, 60);
    let most = least + 50 * random.between(1, 100);
    let (one, two) = (random.pick(&TRAVEL_TYPES), random.pick(&TRAVEL_TYPES));
    let group = random.pick(&["SOLO", "COUPLE", "FAMILY", "FRIENDS"]);
    let (with_children, ages) = if group == "FAMILY" { (true, "[4,9]") } else { (false, "[]") };
    let (flexibility, style) =
        (random.pick(&["strict", "flexible"]), random.pick(&["PLANNED", "SPONTANEOUS", "MIXED"]));
    let (activity, interest) = (random.pick(&ACTIVITIES), random.pick(&ACTIVITIES));
    let level = random.pick(&["LOW", "MODERATE", "HIGH", "VERY_HIGH"]);
    format!(
        r#""budget":{{"globalRange":{{"min":{least},"max":{most},"currency":"EUR"}},"flexibility":"{flexibility}"}},"travel":{{"types":["{one}","{two}"],"purposes":["time together"],"style":"{style}","groupTypes":["{group}"],"travelWithChildren":{with_children},"childrenAges":{ages}}},"activities":{{"types":["{activity}"],"interests":["{interest}","FOOD"],"activityLevel":"{level}"}}"#
    )
}

/// The sections that every event carries and none changes.
fn lasting_sections(user: u64) -> String {
    let random = &mut Random::new(user ^ 0x6c61_7374);
    let comfort = random.pick(&["BASIC", "STANDARD", "PREMIUM", "LUXURY"]);
    let risk = random.pick(&["CONSERVATIVE", "MODERATE", "ADVENTUROUS"]);
    format!(
        r#""destinations":{{"regions":["EUROPE"],"countries":["IT","GR"],"climates":["MEDITERRANEAN"]}},"timing":{{"preferredSeasons":["SUMMER","AUTUMN"],"flexibility":"flexible","averageDuration":10}},"accommodation":{{"types":["HOTEL","APARTMENT"],"comfortLevel":"{comfort}"}},"transport":{{"preferredAirlines":["LH","AZ"]}},"experience":{{"level":"INTERMEDIATE","riskTolerance":"{risk}"}},"climate":{{"preferences":["WARM"]}}"#
    )
}
