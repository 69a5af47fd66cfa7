//! segment-changed has the same content in Avro as in JSON, and other libraries can read it.

use apache_avro::reader::datum::GenericDatumReader;
use segmenter::codec::segment_changed::{self, Encoding};
use segmenter::domain::event::{Millis, UserId};
use segmenter::domain::fold::{Context, Publishing, fold};
use segmenter::domain::ranking_change::{ChangeBody, NewRanking, RankingChange, ScoredSegment, Trigger};
use segmenter::domain::scoring::{Catalog, RankedSegment, Reasons};
use segmenter::domain::state::State;

use super::*;

/// Reads a published value with apache-avro, and checks its framing.
fn read(value: &[u8]) -> Value {
    let schema = schema(SEGMENT_CHANGED);
    let framing = writer::framed(&schema, &[]);
    let mut datum = value.strip_prefix(framing.as_slice()).unwrap();
    let read = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut datum).unwrap();
    assert!(datum.is_empty());
    Value::try_from(read).unwrap()
}

/// The two encodings of one change as JSON. A field that JSON omits is null in Avro.
fn both(change: &RankingChange) -> (Value, Value) {
    let catalog = Catalog::builtin().unwrap();
    let encoded = |encoding| segment_changed::record(change, &catalog, encoding).unwrap().value.unwrap();
    let mut in_json: Value = serde_json::from_slice(&encoded(Encoding::Json)).unwrap();
    in_json["payload"].as_object_mut().unwrap().entry("replayId").or_insert(Value::Null);
    (in_json, read(&encoded(Encoding::Avro)))
}

fn change(new_ranking: NewRanking) -> RankingChange {
    let user = UserId::new("Zoë/42").unwrap();
    RankingChange { user, revision: NOW, body: ChangeBody::Ranking(new_ranking.into()) }
}

fn new_ranking() -> NewRanking {
    NewRanking {
        previous: Vec::new(),
        ranking: Vec::new(),
        catalog_version: u32::MAX,
        occurred_at: Millis(1),
        trigger: Trigger::Backfill,
        causation_id: None,
        correlation_id: None,
        traceparent: None,
        replay_id: None,
    }
}

/// The change that the example of onboarding-completed causes.
fn example_change() -> RankingChange {
    let event = accepted(decode(Kind::OnboardingCompleted, ONBOARDING_EXAMPLE.as_bytes()));
    let catalog = Catalog::builtin().unwrap();
    let context = Context { catalog: &catalog, clock_ms: 1_769_682_031_300, publishing: Publishing::Immediate };
    fold(&event.user, State::default(), &[&event], &context).unwrap().write.unwrap().change.unwrap()
}

#[test]
fn another_reader_reads_from_avro_the_content_of_the_json() {
    let empty = change(new_ranking());
    let full = change(NewRanking {
        previous: vec![
            ScoredSegment { segment: "LUXURY".into(), score: 1.0 },
            ScoredSegment { segment: "ÉLITE".into(), score: 0.1 + 0.2 },
        ],
        ranking: vec![
            RankedSegment { segment: "FAMILY_TRAVELER".into(), score: 0.75, reasons: reasons() },
            RankedSegment { segment: "SOLO".into(), score: f64::MIN_POSITIVE, reasons: Reasons::new() },
        ],
        occurred_at: Millis(1_769_682_030_123),
        trigger: Trigger::Replay,
        causation_id: Some("cause".into()),
        correlation_id: Some("c".repeat(255).into()),
        replay_id: Some("job".into()),
        ..new_ranking()
    });
    for change in [empty, full, example_change()] {
        let (in_json, in_avro) = both(&change);
        assert_eq!(in_avro, in_json);
    }
}

/// Reasons of the kind that the engine gives.
fn reasons() -> Reasons {
    match example_change().body {
        ChangeBody::Ranking(new_ranking) => new_ranking.ranking[0].reasons.clone(),
        ChangeBody::Tombstone { .. } => Reasons::new(),
    }
}

#[test]
fn the_example_of_onboarding_completed_causes_the_example_of_segment_changed() {
    let (in_json, in_avro) = both(&example_change());
    let mut example = parsed(SEGMENT_CHANGED_EXAMPLE);
    example["payload"].as_object_mut().unwrap().entry("replayId").or_insert(Value::Null);
    assert_eq!(example, in_json);
    assert_eq!(example, in_avro);
    assert!(!reasons().is_empty());
}

#[test]
fn another_writer_writes_the_same_avro_byte_for_byte() {
    let change = example_change();
    let ours = segment_changed::record(&change, &Catalog::builtin().unwrap(), Encoding::Avro).unwrap().value.unwrap();
    assert_eq!(ours, writer::single_object(&schema(SEGMENT_CHANGED), &both(&change).0));
}

#[test]
fn a_tombstone_is_one_in_every_encoding_and_only_that_of_an_erasure_names_its_time() {
    for erased_at in [Some(1_772_360_100_123), None] {
        let body = ChangeBody::Tombstone { erased_at: erased_at.map(Millis) };
        let erased = RankingChange { body, ..example_change() };
        for encoding in [Encoding::Json, Encoding::Avro] {
            let produced = segment_changed::record(&erased, &Catalog::builtin().unwrap(), encoding).unwrap();
            assert_eq!(produced.value, None);
            let header = |name: &str| produced.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| &**value);
            assert_eq!(header("content-type"), None);
            assert_eq!(header("segmenter.erased-at"), erased_at.map(|at| at.to_string()).as_deref());
        }
    }
}

#[test]
fn the_content_type_names_the_encoding_and_no_other_header_does() {
    let change = example_change();
    let [json, avro] = [Encoding::Json, Encoding::Avro]
        .map(|encoding| segment_changed::record(&change, &Catalog::builtin().unwrap(), encoding).unwrap().headers);
    let of = |headers: &segment_changed::Headers| {
        let (types, others): (Vec<_>, Vec<_>) = headers.iter().cloned().partition(|(key, _)| *key == "content-type");
        (types.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), others)
    };
    assert_eq!(of(&json).0, ["application/json"]);
    assert_eq!(of(&avro).0, ["application/avro"]);
    assert_eq!(of(&json).1, of(&avro).1);
}
