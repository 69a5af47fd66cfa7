//! Merging and folding of random event sets: order, duplicates and batch boundaries make no difference to the state or the
//! row, and the published changes form a chain.

use proptest::prelude::*;
use segmenter::codec::segment_changed::{self, Encoding, Record};
use segmenter::codec::stored;
use segmenter::domain::event::{Body, Cause, Event, Millis, Stamp, UserId};
use segmenter::domain::fold::{Context, Publishing, RowWrite, fold};
use segmenter::domain::profile::Outcome;
use segmenter::domain::ranking_change::{ChangeBody, RankingChange};
use segmenter::domain::row::RowContent;
use segmenter::domain::scoring::Catalog;
use segmenter::domain::section::{
    Activities, Budget, BudgetRange, CalendarDate, Demographics, Destinations, Quality, Section, Token, Travel,
};
use segmenter::domain::state::State;

fn token(word: &str) -> Token {
    Token::new(word).unwrap()
}

fn section() -> impl Strategy<Value = Section> {
    let range = prop::option::of((0_u16..300, 0_u16..900));
    prop_oneof![
        range.prop_map(|range| {
            let global_range = range.map(|(min, more)| BudgetRange {
                min: f64::from(min),
                max: f64::from(min + more),
                currency: None,
            });
            Section::Budget(Budget { global_range })
        }),
        (
            prop::sample::subsequence(vec!["CULTURAL", "NATURE", "CRUISE", "BUSINESS"], 0..4),
            prop::sample::select(vec!["SOLO", "COUPLE", "FAMILY"])
        )
            .prop_map(|(types, group)| {
                let types = types.into_iter().map(token).collect();
                Section::Travel(Travel { types, group_types: vec![token(group)], ..Travel::default() })
            }),
        prop::option::of(prop::sample::select(vec!["LOW", "HIGH", "VERY_HIGH"])).prop_map(|level| {
            Section::Activities(Activities { activity_level: level.map(token), ..Activities::default() })
        }),
        any::<bool>().prop_map(|stated| Section::Destinations(Destinations { stated })),
        (1940_u16..2010).prop_map(|year| {
            Section::Demographics(Demographics { date_of_birth: CalendarDate { year, month: 2, day: 28 } })
        }),
        (0_u8..=100).prop_map(|completeness| Section::Quality(Quality { completeness: f64::from(completeness) })),
    ]
}

/// Events of one user with few different times and ids, so that many are equal.
fn event() -> impl Strategy<Value = Event> {
    let sections = || {
        prop::collection::vec(section(), 1..4).prop_map(|mut sections| {
            sections.sort_by_key(Section::kind);
            sections.dedup_by_key(|section| section.kind());
            sections
        })
    };
    let body = prop_oneof![
        4 => sections().prop_map(Body::Onboarding),
        4 => sections().prop_map(Body::Update),
        1 => Just(Body::Tombstone),
    ];
    (0_i64..5, prop::sample::select(vec!["", "a", "b"]), body).prop_map(|(time, id, body)| Event {
        user: user(),
        stamp: Stamp { time: Millis(1_700_000_000_000 + time), id: id.into(), decoder: 1 },
        body,
        cause: Cause { causation_id: Some(id.into()), ..Cause::default() },
        key_differs: false,
    })
}

fn user() -> UserId {
    UserId::new("traveller").unwrap()
}

/// The user in the database and on segment-changed.
#[derive(Debug, Default)]
struct World {
    state: State,
    row: Option<RowContent>,
    published: Vec<RankingChange>,
    clock_ms: i64,
}

impl World {
    fn apply(&mut self, batch: &[Event], catalog: &Catalog) -> Vec<Outcome> {
        // The clock may stand still; revisions must still increase.
        self.clock_ms += i64::try_from(batch.len() % 2).unwrap();
        let events: Vec<&Event> = batch.iter().collect();
        let context = Context { catalog, clock_ms: self.clock_ms, publishing: Publishing::Immediate };
        let folded = fold(&user(), self.state.clone(), &events, &context).unwrap();
        if let Some(write) = folded.write {
            self.state = through_storage(write.state);
            match write.row {
                RowWrite::Leave => {}
                RowWrite::Upsert(row) => self.row = Some(row),
                RowWrite::Remove => self.row = None,
            }
            self.published.extend(write.change);
        }
        folded.outcomes
    }

    fn run(events: &[Event], cuts: &[usize], catalog: &Catalog) -> Self {
        let mut world = Self::default();
        let mut start = 0;
        for cut in cuts.iter().copied().filter(|cut| *cut < events.len()).chain([events.len()]) {
            if cut > start {
                world.apply(&events[start..cut], catalog);
                start = cut;
            }
        }
        world
    }

    fn last_ranking(&self) -> Vec<String> {
        self.state.published_segments().map(str::to_owned).collect()
    }
}

/// Writes and reads the state as the store does.
fn through_storage(state: State) -> State {
    let bytes = stored::encode_state(&state.profile, state.last_published.as_ref()).unwrap();
    let stored = stored::decode_state(&bytes).unwrap();
    let profile = stored.profile.with_erased_at(state.profile.erased_at());
    assert_eq!(profile, state.profile);
    let last_published = match state.last_published.clone() {
        Some(ChangeBody::Ranking(_)) => stored.new_ranking.map(ChangeBody::Ranking),
        other => other,
    };
    assert_eq!(last_published, state.last_published);
    State { profile, last_published, ..state }
}

fn segments_of(row: Option<&RowContent>) -> Vec<String> {
    let Some(row) = row else { return Vec::new() };
    row.segments.iter().map(|assignment| assignment.segment.to_string()).collect()
}

/// The previous ranking of each change is the one published before it, and revisions increase.
fn assert_chain(published: &[RankingChange]) {
    let mut last: Vec<String> = Vec::new();
    let mut revision = 0;
    for change in published {
        assert!(change.revision > revision, "{} after {revision}", change.revision);
        revision = change.revision;
        last = match &change.body {
            ChangeBody::Tombstone { .. } => Vec::new(),
            ChangeBody::Ranking(new_ranking) => {
                let previous: Vec<String> =
                    new_ranking.previous.iter().map(|scored| scored.segment.to_string()).collect();
                assert_eq!(previous, last);
                let ranking: Vec<String> =
                    new_ranking.ranking.iter().map(|assigned| assigned.segment.to_string()).collect();
                assert_ne!(ranking, last, "a change must change the ranking");
                ranking
            }
        };
    }
}

fn permuted() -> impl Strategy<Value = (Vec<Event>, Vec<Event>, Vec<usize>, Vec<usize>)> {
    let cuts = || prop::collection::btree_set(1_usize..16, 0..6).prop_map(|cuts| cuts.into_iter().collect::<Vec<_>>());
    prop::collection::vec(event(), 1..9).prop_flat_map(move |events| {
        // The second order contains some events twice.
        let mut with_duplicates = events.clone();
        with_duplicates.extend(events.iter().step_by(2).cloned());
        (Just(events).prop_shuffle(), Just(with_duplicates).prop_shuffle(), cuts(), cuts())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_permutation_and_every_split_into_batches_gives_the_same_profile_and_row(
        (one, other, cuts, other_cuts) in permuted(),
    ) {
        let catalog = Catalog::builtin().unwrap();
        let one = World::run(&one, &cuts, &catalog);
        let other = World::run(&other, &other_cuts, &catalog);
        prop_assert_eq!(&one.state.profile, &other.state.profile);
        prop_assert_eq!(&one.row, &other.row);
        prop_assert_eq!(one.last_ranking(), other.last_ranking());
        prop_assert_eq!(one.row.is_some(), one.state.profile.onboarded().is_some());
    }

    #[test]
    fn published_changes_form_a_chain_that_ends_with_the_ranking_of_the_row((events, _, cuts, _) in permuted()) {
        let catalog = Catalog::builtin().unwrap();
        let world = World::run(&events, &cuts, &catalog);
        assert_chain(&world.published);
        prop_assert_eq!(world.last_ranking(), segments_of(world.row.as_ref()));
        prop_assert_eq!(world.state.revision, world.published.last().map_or(0, |change| change.revision));
    }

    #[test]
    fn events_repeated_in_any_order_write_nothing_and_publish_nothing((events, again, cuts, _) in permuted()) {
        let catalog = Catalog::builtin().unwrap();
        let mut world = World::run(&events, &cuts, &catalog);
        let (state, published) = (world.state.clone(), world.published.len());
        let outcomes = world.apply(&again, &catalog);
        prop_assert!(!outcomes.contains(&Outcome::Applied), "{:?}", outcomes);
        prop_assert_eq!(&world.state, &state);
        prop_assert_eq!(world.published.len(), published);
    }

    #[test]
    fn one_fold_publishes_at_most_the_net_change(events in prop::collection::vec(event(), 1..9)) {
        let catalog = Catalog::builtin().unwrap();
        let mut world = World::default();
        world.apply(&events, &catalog);
        prop_assert!(world.published.len() <= 1);
    }

    #[test]
    fn an_outbox_row_is_read_as_it_was_written_and_never_panics_however_it_is_damaged(
        (events, _, cuts, _) in permuted(), place in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let catalog = Catalog::builtin().unwrap();
        let published = World::run(&events, &cuts, &catalog).published;
        let mut body = stored::encode_changes(&published).unwrap();
        prop_assert_eq!(stored::decode_changes(&body).unwrap(), published);
        let _ = stored::decode_changes(&body[..place.index(body.len())]);
        let place = place.index(body.len());
        body[place] = byte;
        let _ = stored::decode_changes(&body);
    }

    #[test]
    fn a_change_is_the_same_record_published_from_memory_or_from_the_outbox(
        (events, _, cuts, _) in permuted(),
    ) {
        let catalog = Catalog::builtin().unwrap();
        let published = World::run(&events, &cuts, &catalog).published;
        let found = stored::decode_changes(&stored::encode_changes(&published).unwrap()).unwrap();
        for encoding in [Encoding::Json, Encoding::Avro] {
            let records = |changes: &[RankingChange]| -> Vec<Record> {
                changes.iter().map(|change| segment_changed::record(change, &catalog, encoding).unwrap()).collect()
            };
            prop_assert_eq!(records(&found), records(&published));
        }
    }

    #[test]
    fn stored_bytes_never_panic_however_they_are_damaged(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = stored::decode_state(&bytes);
        let _ = stored::decode_changes(&bytes);
    }
}

fn onboarding(time: i64, sections: Vec<Section>) -> Event {
    Event {
        user: user(),
        stamp: Stamp { time: Millis(time), id: format!("event-{time}").into(), decoder: 1 },
        body: Body::Onboarding(sections),
        cause: Cause::default(),
        key_differs: false,
    }
}

fn tombstone(time: i64) -> Event {
    Event {
        body: Body::Tombstone,
        stamp: Stamp { time: Millis(time), id: "".into(), decoder: 1 },
        ..onboarding(time, vec![])
    }
}

#[test]
fn a_tombstone_and_the_same_onboarding_in_one_fold_publish_nothing() {
    let catalog = Catalog::builtin().unwrap();
    let mut world = World::default();
    world.apply(&[onboarding(10, vec![])], &catalog);
    assert_eq!(world.published.len(), 1);
    world.apply(&[tombstone(20), onboarding(30, vec![])], &catalog);
    assert_eq!(world.published.len(), 1, "there is no net change");
    assert_eq!(world.state.profile.erased_at(), Some(Millis(20)));
}

fn erased(at: i64) -> ChangeBody {
    ChangeBody::Tombstone { erased_at: Some(Millis(at)) }
}

#[test]
fn each_erasure_is_published_as_a_tombstone_with_its_time_and_older_events_do_not_come_back() {
    let catalog = Catalog::builtin().unwrap();
    let mut world = World::default();
    world.apply(&[onboarding(10, vec![])], &catalog);
    world.apply(&[tombstone(20)], &catalog);
    assert_eq!(world.published.last().map(|change| change.body.clone()), Some(erased(20)));
    let outcomes = world.apply(&[onboarding(10, vec![]), tombstone(15), onboarding(20, vec![])], &catalog);
    assert_eq!(outcomes, [Outcome::Stale; 3]);
    assert_eq!((world.published.len(), world.row.is_none()), (2, true));
    world.apply(&[tombstone(20)], &catalog);
    assert_eq!(world.published.len(), 2, "the same erasure again is no change");
    world.apply(&[tombstone(25)], &catalog);
    assert_eq!(world.published.last().map(|change| change.body.clone()), Some(erased(25)));
}

#[test]
fn a_user_without_a_published_ranking_is_erased_without_a_tombstone() {
    let catalog = Catalog::builtin().unwrap();
    let mut world = World::default();
    let patch = Event {
        body: Body::Update(vec![Section::Destinations(Destinations { stated: true })]),
        ..onboarding(5, vec![])
    };
    world.apply(&[patch], &catalog);
    world.apply(&[tombstone(20)], &catalog);
    assert!(world.published.is_empty());
}

#[test]
fn the_cause_of_a_change_is_the_newest_event_that_changed_anything_with_onboarding_first_among_equals() {
    let catalog = Catalog::builtin().unwrap();
    let with_cause = |mut event: Event, cause: &str| {
        event.cause.causation_id = Some(cause.into());
        event
    };
    let update = Event {
        body: Body::Update(vec![Section::Destinations(Destinations { stated: true })]),
        ..onboarding(10, vec![])
    };
    for reversed in [false, true] {
        let mut events = vec![
            with_cause(onboarding(5, vec![]), "older"),
            with_cause(onboarding(10, vec![]), "onboarding"),
            with_cause(update.clone(), "update"),
        ];
        if reversed {
            events.reverse();
        }
        let mut world = World::default();
        world.apply(&events, &catalog);
        let ChangeBody::Ranking(published) = &world.published[0].body else { panic!("a ranking") };
        assert_eq!((published.causation_id.as_deref(), published.trigger.as_str()), (Some("onboarding"), "ONBOARDING"));
    }
}

#[test]
fn a_user_scored_with_a_newer_catalog_is_not_scored_with_an_older_one() {
    let catalog = Catalog::builtin().unwrap();
    let prior = State { catalog_version: catalog.version() + 1, ..State::default() };
    let event = onboarding(10, vec![]);
    let refused =
        fold(&user(), prior, &[&event], &Context { catalog: &catalog, clock_ms: 0, publishing: Publishing::Immediate });
    assert!(refused.is_err());
}

/// Folds events of which nothing changes a register, as in a repair range; returns the change.
fn repaired(world: &World, events: &[Event], catalog: &Catalog) -> Option<RankingChange> {
    let events: Vec<&Event> = events.iter().collect();
    let context = Context { catalog, clock_ms: 1_000_000, publishing: Publishing::EvenUnchanged };
    let folded = fold(&user(), world.state.clone(), &events, &context).unwrap();
    assert!(folded.outcomes.iter().all(|outcome| *outcome != Outcome::Applied));
    let write = folded.write?;
    assert_eq!(write.state.profile, world.state.profile);
    write.change
}

#[test]
fn in_a_repair_range_an_unchanged_ranking_is_published_at_a_new_revision_and_follows_from_itself() {
    let catalog = Catalog::builtin().unwrap();
    let mut world = World::default();
    world.apply(&[onboarding(10, vec![])], &catalog);
    let change = repaired(&world, &[onboarding(5, vec![])], &catalog).unwrap();
    assert_eq!(change.revision, 1_000_000);
    let ChangeBody::Ranking(published) = change.body else { panic!("a ranking") };
    let previous: Vec<_> = published.previous.iter().map(|scored| &scored.segment).collect();
    let ranking: Vec<_> = published.ranking.iter().map(|ranked| &ranked.segment).collect();
    assert_eq!(previous, ranking);
}

#[test]
fn in_a_repair_range_an_erased_user_is_published_as_a_tombstone_again_even_if_nothing_was_published_of_the_user() {
    let catalog = Catalog::builtin().unwrap();
    let mut world = World::default();
    world.apply(&[tombstone(20)], &catalog);
    assert!(world.published.is_empty());
    let change = repaired(&world, &[tombstone(20)], &catalog).unwrap();
    assert_eq!((change.revision, change.body), (1_000_000, erased(20)));
}

#[test]
fn in_a_repair_range_a_user_who_was_never_onboarded_or_erased_is_not_published() {
    let catalog = Catalog::builtin().unwrap();
    let mut world = World::default();
    let update = |time| Event {
        body: Body::Update(vec![Section::Destinations(Destinations { stated: true })]),
        ..onboarding(time, vec![])
    };
    world.apply(&[update(5)], &catalog);
    assert!(repaired(&world, &[update(4)], &catalog).is_none());
}
