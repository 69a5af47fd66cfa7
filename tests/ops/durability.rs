//! Commits of the service wait for the server's disk.

use crate::scene::{DEADLINE, Scene, history};
use crate::support::{PgBouncer, Postgres, segmenter};
use crate::world::migrate;

/// Records the setting of every transaction that writes a table of the service. The deletion of a published outbox row is left out:
/// it may be lost (`outbox::delete`).
const RECORD: &str = "
    create table seen (setting text, written text);
    create function record() returns trigger language plpgsql as
        $$ begin insert into public.seen values (current_setting('synchronous_commit'), tg_table_name); return null; end $$;
    create trigger record after insert or update on user_vectors for each statement execute function record();
    create trigger record after insert or update on segmenter.profile_states for each statement execute function record();
    create trigger record after insert or update on segmenter.positions for each statement execute function record();
    create trigger record after insert on segmenter.outbox for each statement execute function record()";

/// The settings with which a service on this server writes its four tables, on sessions of its own and behind a pooler.
async fn settings_on(server: &Postgres, of_database: &str) -> Vec<String> {
    let mut scene = Scene::new(1).await;
    scene.database = server.upstream_after_ia().await;
    migrate(&scene.database).await;
    scene.add_users(5).await;
    scene.database.run(format!("{RECORD}; {}", of_database.replace("NAME", scene.database.name()))).await;
    let pooler = PgBouncer::before(scene.database.url(), 2).await;
    let own = [("DATABASE_URL", scene.database.url()), ("SEGMENTER_DATABASE_POOLED", "false")];
    let pooled = [("DATABASE_URL", pooler.url()), ("SEGMENTER_DATABASE_POOLED", "true")];
    let mut settings = Vec::new();
    for (seed, more) in [(1, own), (2, pooled)] {
        let mut environment = scene.environment();
        environment.extend(more);
        let mut process = segmenter(&["serve"], &environment);
        scene.produce(&history(5, 20, seed)).await;
        scene.settled().await;
        process.terminate();
        assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
        let seen = "with gone as (delete from seen returning *)
                    select string_agg(distinct setting, ' '), count(distinct written) from gone";
        let (setting, tables): (String, i64) = sqlx::query_as(seen).fetch_one(scene.database.pool()).await.unwrap();
        assert_eq!(tables, 4, "{more:?}");
        settings.push(setting);
    }
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_wait_for_the_disk_of_a_server_that_does_not_wait_for_it_by_itself_and_other_settings_stay() {
    let server = Postgres::with_settings("fsync = off\nsynchronous_commit = off\n").await;
    assert_eq!(settings_on(&server, "").await, ["local", "local"]);
    let stronger = "alter database NAME set synchronous_commit = remote_write";
    assert_eq!(settings_on(&server, stronger).await, ["remote_write", "remote_write"]);
}
