//! The time of one call on one core, with the events of the measurements: `cargo bench --bench micro`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]
#![allow(dead_code, unreachable_pub, reason = "shares files with the measurements on real servers")]

#[path = "bench/history.rs"]
mod history;
#[path = "bench/wire.rs"]
mod wire;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use segmenter::codec;
use segmenter::codec::Limits;
use segmenter::codec::segment_changed;
use segmenter::codec::stored;
use segmenter::domain::event::{Event, Kind, UserId};
use segmenter::domain::fold::{self, Context, Publishing, Write, engine_input};
use segmenter::domain::ranking_change::RankingChange;
use segmenter::domain::scoring::{self, Catalog};
use segmenter::domain::state::State;

use history::{History, Planned, user_id};
use wire::{Encoding, Writer, decode, raw};

/// Calls go through this many users in turn, so that branch prediction cannot learn one of them.
const USERS: u64 = 1000;

/// An onboarded user and the next update.
struct Case {
    user: UserId,
    prior: State,
    update: Event,
    /// The state after the update.
    state: State,
    /// The change of the onboarding.
    change: RankingChange,
}

fn benchmarks(criterion: &mut Criterion) {
    let catalog = Catalog::builtin().expect("the catalog that is compiled in is valid");
    let context = Context { catalog: &catalog, clock_ms: 1_790_000_000_000, publishing: Publishing::Immediate };
    let (onboardings, updates) = events();
    let cases: Vec<Case> = onboardings.iter().zip(&updates).map(|(one, other)| case(one, other, &context)).collect();

    let mut next = turns();
    criterion.bench_function("engine", |bencher| {
        bencher.iter(|| {
            let profile = &cases[next()].state.profile;
            scoring::segment(&engine_input(black_box(profile), cases[0].update.stamp.time), &catalog)
        });
    });
    criterion.bench_function("merge", |bencher| {
        let fresh = || {
            let case = &cases[next()];
            (case.prior.profile.clone(), &case.update)
        };
        let merge = |(profile, update): &mut (segmenter::domain::profile::Profile, &Event)| profile.merge(update);
        bencher.iter_batched_ref(fresh, merge, BatchSize::SmallInput);
    });
    let mut next = turns();
    criterion.bench_function("fold", |bencher| {
        let read = || {
            let case = &cases[next()];
            (case, case.prior.clone())
        };
        let fold = |(case, prior): (&Case, State)| fold::fold(&case.user, prior, &[&case.update], &context);
        bencher.iter_batched(read, fold, BatchSize::SmallInput);
    });
    for encoding in [Encoding::Json, Encoding::Avro] {
        let writer = Writer::new(encoding);
        let values: Vec<(Kind, Vec<u8>)> =
            onboardings.iter().chain(&updates).map(|planned| (planned.kind, writer.value(planned))).collect();
        let mut place = 0;
        criterion.bench_function(&format!("decode {}", encoding.name()), |bencher| {
            bencher.iter(|| {
                place = (place + 1) % values.len();
                let (kind, value) = &values[place];
                codec::decode(&raw(*kind, black_box(value)), &Limits::default())
            });
        });
    }
    let mut next = turns();
    criterion.bench_function("encode segment-changed", |bencher| {
        bencher.iter(|| {
            segment_changed::record(black_box(&cases[next()].change), &catalog, segment_changed::Encoding::Json)
        });
    });
    let mut next = turns();
    criterion.bench_function("encode state", |bencher| {
        bencher.iter(|| {
            let state = black_box(&cases[next()].state);
            stored::encode_state(&state.profile, state.last_published.as_ref())
        });
    });
    let stored: Vec<Vec<u8>> = cases
        .iter()
        .map(|case| {
            stored::encode_state(&case.state.profile, case.state.last_published.as_ref())
                .expect("states can be encoded")
        })
        .collect();
    let mut next = turns();
    criterion.bench_function("decode state", |bencher| {
        bencher.iter(|| stored::decode_state(black_box(&stored[next()])));
    });
}

/// The index of the next user, round and round.
fn turns() -> impl FnMut() -> usize {
    let users = usize::try_from(USERS).expect("it fits");
    let mut place = 0;
    move || {
        place = (place + 1) % users;
        place
    }
}

/// An onboarding and an update of each user.
fn events() -> (Vec<Planned>, Vec<Planned>) {
    let onboardings = History::new(3).onboardings(USERS);
    let later = |event: &Planned| Planned {
        kind: Kind::ProfileUpdated,
        version: 1,
        id: event.id + USERS,
        time: segmenter::domain::event::Millis(event.time.0 + 1000),
        ..*event
    };
    let updates = onboardings.iter().map(later).collect();
    (onboardings, updates)
}

fn case(onboarding: &Planned, update: &Planned, context: &Context<'_>) -> Case {
    let writer = Writer::new(Encoding::Json);
    let event = |planned: &Planned| decode(planned.kind, &writer.value(planned));
    let user = UserId::new(&user_id(onboarding.user).to_string()).expect("a valid id");
    let after = |prior: &State, event: &Event| {
        let folded = fold::fold(&user, prior.clone(), &[event], context).expect("the catalog is the newest");
        folded.write.expect("something changed")
    };
    let Write { state: prior, change, .. } = after(&State::default(), &event(onboarding));
    let update = event(update);
    let state = after(&prior, &update).state;
    Case { user, prior, update, state, change: change.expect("a first ranking is published") }
}

criterion_group!(all, benchmarks);
criterion_main!(all);
