//! The statement that compares and raises positions follows its rule, and a row is as the start of its partition left it.

use proptest::prelude::*;
use segmenter::store::history::{Histories, History};
use segmenter::store::positions::{
    Answer, Claim, PartitionKey, PositionRow, StoredPosition, confirm, may_raise, read, set,
};
use segmenter::store::sql::Pool;
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{connect_as, migrated_database};

const GROUP: &str = "group";

fn key(partition: i32) -> PartitionKey {
    PartitionKey { topic_id: Uuid::from_u128(7), partition }
}

async fn present(pool: &Pool) -> History {
    read(pool, "another", key(0), 1).await.unwrap().1
}

/// Sets a position over the row that is there.
async fn set_over(pool: &Pool, group: &str, key: PartitionKey, position: StoredPosition) {
    let there = read(pool, group, key, 1).await.unwrap();
    assert!(set(pool, group, key, position, there).await.unwrap());
}

/// A claim, and the position stored before it.
fn claim(present: History) -> impl Strategy<Value = (Claim, i64)> {
    let histories = prop_oneof![
        Just(Histories::None),
        Just(Histories::One(present)),
        Just(Histories::One(History(1))),
        Just(Histories::Several)
    ];
    (0_i64..4, 0_i64..3, histories, any::<bool>(), 0_i64..6).prop_map(|(confirmed, more, ran_in, repairs, stored)| {
        let claim = Claim { key: key(0), confirmed, next_offset: confirmed + more, ran_in, repairs };
        (claim, stored)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_are_raised_exactly_by_the_rule() {
    let database = migrated_database().await;
    let pool = Pool::new(connect_as(database.pool()));
    let present = present(&pool).await;
    let mut runner = proptest::test_runner::TestRunner::default();
    for round in 0..40 {
        let strategy = prop::collection::vec(claim(present), 1..12);
        let given = proptest::strategy::ValueTree::current(&strategy.new_tree(&mut runner).unwrap());
        let group = format!("{GROUP}-{round}");
        let mut claims = Vec::new();
        for (number, (claim, stored)) in (0..).zip(&given) {
            let before = StoredPosition { next_offset: *stored, history: Some(History(5)) };
            set_over(&pool, &group, key(number), before).await;
            claims.push(Claim { key: key(number), ..*claim });
        }
        let answers: std::collections::HashMap<_, _> =
            confirm(&pool, &group, &claims).await.unwrap().into_iter().collect();
        assert_eq!(answers.len(), claims.len());
        for (claim, (_, stored)) in claims.iter().zip(&given) {
            let raised = may_raise(claim, *stored, present);
            let expected = if raised { Answer::Raised } else { Answer::Lost { stored: *stored } };
            assert_eq!(answers[&claim.key], expected, "{claim:?} over {stored}");
            let after = StoredPosition {
                next_offset: if raised { claim.next_offset.max(*stored) } else { *stored },
                history: Some(if raised && !claim.repairs { present } else { History(5) }),
            };
            assert_eq!(
                read(&pool, &group, claim.key, 1).await.unwrap().0,
                PositionRow::Stored(after),
                "{claim:?} over {stored}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_the_topic_had_at_the_first_start_is_told_from_one_that_is_added_later() {
    let database = migrated_database().await;
    let pool = Pool::new(connect_as(database.pool()));
    let row = async |partition, partitions| read(&pool, GROUP, key(partition), partitions).await.unwrap().0;
    assert_eq!(row(1, 2).await, PositionRow::NeverStarted);
    assert_eq!(row(0, 2).await, PositionRow::NeverStarted);
    assert_eq!(row(2, 3).await, PositionRow::Added);
    let position = StoredPosition { next_offset: 9, history: None };
    set_over(&pool, GROUP, key(2), position).await;
    assert_eq!(row(2, 3).await, PositionRow::Stored(position));
    assert_eq!(read(&pool, "a group of its own", key(2), 3).await.unwrap().0, PositionRow::NeverStarted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_sets_its_position_only_over_the_row_that_it_read_and_on_the_same_server() {
    let database = migrated_database().await;
    let pool = Pool::new(connect_as(database.pool()));
    let at = |next_offset| StoredPosition { next_offset, history: None };
    let read = async || read(&pool, GROUP, key(0), 1).await.unwrap();
    let set = async |position, over| set(&pool, GROUP, key(0), position, over).await.unwrap();
    let never_started = read().await;
    assert!(!set(at(5), (never_started.0, History(1))).await, "another server");
    assert!(set(at(5), never_started).await);
    assert!(!set(at(6), never_started).await, "started meanwhile");
    let five = read().await;
    assert!(set(at(3), five).await, "downwards too");
    assert!(!set(at(5), five).await, "written meanwhile");
    assert_eq!(read().await.0, PositionRow::Stored(at(3)));
    let three = read().await;
    database.run("delete from segmenter.positions").await;
    assert!(!set(at(3), three).await, "deleted meanwhile");
    assert!(set(at(3), (PositionRow::Added, three.1)).await);
    assert!(!set(at(4), (PositionRow::Added, three.1)).await, "added meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_a_row_that_is_gone_or_was_never_started_has_no_answer() {
    let database = migrated_database().await;
    let pool = Pool::new(connect_as(database.pool()));
    read(&pool, GROUP, key(0), 1).await.unwrap();
    let claim = |partition| Claim {
        key: key(partition),
        confirmed: 0,
        next_offset: 1,
        ran_in: Histories::None,
        repairs: false,
    };
    assert_eq!(confirm(&pool, GROUP, &[claim(0), claim(1)]).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_that_no_process_has_written_for_ninety_days_go_at_the_next_start() {
    let database = migrated_database().await;
    let pool = Pool::new(connect_as(database.pool()));
    let position = StoredPosition { next_offset: 9, history: None };
    for (group, days) in [("old", 91), ("young", 89)] {
        set_over(&pool, group, key(0), position).await;
        let aged = format!(
            "update segmenter.positions set written_at = written_at - interval '{days} days' where group_id = '{group}'"
        );
        database.run(&aged).await;
    }
    set_over(&pool, GROUP, key(0), position).await;
    assert_eq!(groups(database.pool()).await, [GROUP, "young"]);
}

async fn groups(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("select group_id from segmenter.positions order by 1").fetch_all(pool).await.unwrap()
}
