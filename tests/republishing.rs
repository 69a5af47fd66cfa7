//! A republished change is the same record, byte for byte, from any process.

use segmenter::codec::segment_changed::{self, Encoding};
use segmenter::domain::ranking_change::RankingChange;
use segmenter::domain::scoring::Catalog;
use segmenter::store::outbox;

use crate::world::{apply, budget, group, migrated_database, onboarding, store_on, tombstone, user};

type Published = (Option<Vec<u8>>, segment_changed::Headers);

fn record(change: &RankingChange, encoding: Encoding) -> Published {
    let catalog = Catalog::builtin().unwrap();
    let record = segment_changed::record(change, &catalog, encoding).unwrap();
    (record.value, record.headers)
}

#[tokio::test]
async fn a_change_republished_from_the_stored_state_equals_the_first_record_byte_for_byte() {
    let database = migrated_database().await;
    database.add_users(["ann"]).await;
    let store = store_on(database.pool()).await;
    let ann = user("ann");
    for event in [
        onboarding("ann", 5, vec![group("COUPLE"), budget(300.0, 900.0)]),
        onboarding("ann", 6, vec![group("SOLO"), budget(10.0, 20.0)]),
        tombstone("ann", 9),
    ] {
        let (_, published) = apply(&store, &[event]).await;
        let again = outbox::last_published(&store.pool, &[&ann]).await.unwrap();
        for encoding in [Encoding::Json, Encoding::Avro] {
            assert_eq!(record(&published[0], encoding), record(&again[0], encoding));
        }
    }
}

#[tokio::test]
async fn the_event_id_of_a_revision_is_the_same_for_ever() {
    let id = segment_changed::event_id(&user("ann"), 1_767_225_600_000);
    assert_eq!(id, segment_changed::event_id(&user("ann"), 1_767_225_600_000));
    assert_ne!(id, segment_changed::event_id(&user("ann"), 1_767_225_600_001));
    assert_ne!(id, segment_changed::event_id(&user("bob"), 1_767_225_600_000));
}
