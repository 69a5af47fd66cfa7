//! Whose an id of the outbox is must be known while its fold goes on: publishers look at every user whose change they say
//! again as long as it is not (decision 0003).

use segmenter::store::outbox;

use super::many::{add_users, onboardings};
use super::stopped::{Before, Stopped};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_fold_knows_the_id_of_its_outbox_row_before_it_writes_its_rows() {
    for users in [1, 100] {
        let database = migrated_database().await;
        let names = add_users(&database, 0..users).await;
        let stopped = Stopped::fold(&database, Before::Rows, &onboardings(&names, 1)).await;
        let newest = outbox::newest_id(database.pool()).await.unwrap();
        assert!(stopped.drawn.are_all_after(0, newest), "{users} users: {newest} is taken for somebody else's");
        assert_eq!(stopped.go_on().await, (vec![APPLIED; users], 0));
        let ids: Vec<i64> =
            sqlx::query_scalar("select id from segmenter.outbox").fetch_all(database.pool()).await.unwrap();
        assert_eq!(ids, [newest]);
    }
}
