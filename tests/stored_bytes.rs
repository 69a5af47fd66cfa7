//! Stored states, outbox rows and published records keep their bytes: old bytes can be read, and new ones are the same.

use segmenter::codec::segment_changed::{self, Encoding};
use segmenter::codec::stored;
use segmenter::domain::event::{Body, Cause, Event, Millis, Stamp, UserId};
use segmenter::domain::fold::{Context, JobCause, Publishing, fold, rescore};
use segmenter::domain::ranking_change::{ChangeBody, RankingChange, Trigger};
use segmenter::domain::scoring::Catalog;
use segmenter::domain::section::{
    Accommodation, Activities, Budget, BudgetRange, CalendarDate, Climate, Demographics, Destinations, Experience,
    Quality, Section, Token, Transport, Travel,
};
use segmenter::domain::state::State;
use uuid::Uuid;

const STATE: &str = include_str!("golden/state.hex");
const OUTBOX_ROW: &str = include_str!("golden/outbox-row.hex");
/// One value a line; the tombstone has none.
const PUBLISHED: &str = include_str!("golden/segment-changed.jsonl");

fn token(word: &str) -> Token {
    Token::new(word).unwrap()
}

fn all_but_experience() -> Vec<Section> {
    vec![
        Section::Budget(Budget {
            global_range: Some(BudgetRange { min: 0.0, max: 1234.5, currency: Some(token("CHF")) }),
        }),
        Section::Travel(Travel {
            types: [token("CULTURAL"), token("NATURE"), token("ÉCOLE D'ÉTÉ")].into_iter().collect(),
            purposes: [token("LEISURE")].into_iter().collect(),
            group_types: [token("FAMILY")].into_iter().collect(),
            travel_with_children: Some(true),
            children_ages: vec![0, 7, 25],
        }),
        Section::Accommodation(Accommodation {
            types: [token("HOTEL")].into_iter().collect(),
            comfort_level: Some(token("PREMIUM")),
        }),
        Section::Activities(Activities {
            types: [token("HIKING")].into_iter().collect(),
            interests: [token("A WORD THAT IS TOO LONG TO LIE IN PLACE ANYWHERE")].into_iter().collect(),
            activity_level: Some(token("HIGH")),
        }),
        Section::Climate(Climate { preferences: [].into_iter().collect() }),
        Section::Destinations(Destinations { stated: false }),
        Section::Transport(Transport { preferred_airlines: [token("LX")].into_iter().collect() }),
        Section::Demographics(Demographics { date_of_birth: CalendarDate { year: 1987, month: 2, day: 28 } }),
        Section::Quality(Quality { completeness: 87.5 }),
    ]
}

fn event(time: i64, body: Body) -> Event {
    let text = |name: &str| Some(format!("{name}-{time}").into());
    Event {
        user: UserId::new("Zoë/42").unwrap(),
        stamp: Stamp { time: Millis(1_700_000_000_000 + time), id: format!("event-{time}").into(), decoder: 1 },
        body,
        cause: Cause { causation_id: text("cause"), correlation_id: text("correlation"), traceparent: None },
        key_differs: false,
    }
}

/// The state after an onboarding and an update, and the changes made by these, by an erasure and by a job.
fn state_and_changes() -> (State, Vec<RankingChange>) {
    let catalog = Catalog::builtin().unwrap();
    let context = Context { catalog: &catalog, clock_ms: 1_800_000_000_000, publishing: Publishing::Immediate };
    let mut changes = Vec::new();
    let mut after = |prior: State, event: Event| {
        let write = fold(&event.user, prior, &[&event], &context).unwrap().write.unwrap();
        changes.extend(write.change);
        write.state
    };
    let solo = Travel { group_types: [token("SOLO")].into_iter().collect(), ..Travel::default() };
    let budget = Budget { global_range: Some(BudgetRange { min: 5.0, max: 20.0, currency: None }) };
    let risk = Experience { risk_tolerance: Some(token("HIGH")) };
    let few = vec![Section::Budget(budget), Section::Travel(solo), Section::Experience(risk)];
    let state = after(State::default(), event(1, Body::Onboarding(few)));
    let state = after(state, event(2, Body::Update(all_but_experience())));
    after(state.clone(), event(3, Body::Tombstone));
    let cause = JobCause { id: Uuid::from_u128(42), trigger: Trigger::Recompute };
    let unpublished = State { last_published: None, ..state.clone() };
    let user = changes[0].user.clone();
    changes.extend(rescore(&user, unpublished, cause, &context).unwrap().unwrap().change);
    assert_eq!(changes.len(), 4);
    (state, changes)
}

fn hex(bytes: &[u8]) -> String {
    let lines = bytes.chunks(60).map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n");
    lines.collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.bytes().filter_map(|digit| char::from(digit).to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn a_state_keeps_its_bytes_and_is_read_from_them() {
    let (state, _) = state_and_changes();
    assert_eq!(hex(&stored::encode_state(&state.profile, state.last_published.as_ref()).unwrap()), STATE);
    let read = stored::decode_state(&bytes(STATE)).unwrap();
    assert_eq!(read.profile, state.profile);
    assert_eq!(read.new_ranking.as_ref(), state.last_published.as_ref().and_then(ChangeBody::ranking));
}

#[test]
fn an_outbox_row_keeps_its_bytes_and_is_read_from_them() {
    let (_, changes) = state_and_changes();
    assert_eq!(hex(&stored::encode_changes(&changes).unwrap()), OUTBOX_ROW);
    assert_eq!(stored::decode_changes(&bytes(OUTBOX_ROW)).unwrap(), changes);
}

#[test]
fn a_published_record_keeps_its_bytes() {
    let catalog = Catalog::builtin().unwrap();
    let value = |change: &RankingChange| segment_changed::record(change, &catalog, Encoding::Json).unwrap().value;
    let values: Vec<Vec<u8>> = state_and_changes().1.iter().filter_map(value).collect();
    let lines: String = values.iter().map(|value| std::str::from_utf8(value).unwrap().to_owned() + "\n").collect();
    assert_eq!(lines, PUBLISHED);
}
