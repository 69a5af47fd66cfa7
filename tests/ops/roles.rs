//! The documented roles with the real program: a dedicated login with a password.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};

use crate::docs_sql::{GRANTS, statements};
use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Database, segmenter};

/// A role that logs in with documented rights. Roles are global to the server, so the name is random.
pub struct Login {
    name: String,
    pub url: String,
}

const PASSWORD: &str = "of-the-role";

impl Login {
    /// With the rights of these files of `docs`.
    pub async fn create(database: &Database, files: &[&str]) -> Self {
        let name = format!("login_{}", uuid::Uuid::new_v4().simple());
        database.run(format!("create role {name} login password '{PASSWORD}'")).await;
        for grant in files.iter().flat_map(|file| statements(file)) {
            database.run(grant.replace("segmenter_service", &name)).await;
        }
        let mut url = url::Url::parse(database.url()).unwrap();
        url.set_username(&name).unwrap();
        url.set_password(Some(PASSWORD)).unwrap();
        Self { name, url: url.into() }
    }

    fn pool(&self) -> PgPool {
        let options: PgConnectOptions = self.url.parse().unwrap();
        PgPoolOptions::new().max_connections(1).connect_lazy_with(options)
    }

    pub async fn drop(self, database: &Database) {
        database.run(format!("drop owned by {0}; drop role {0}", self.name)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_the_documented_grants_serves_verifies_and_shows_users() {
    let scene = Scene::new(1).await;
    scene.add_users(4).await;
    scene.produce(&history(4, 30, 11)).await;
    let login = Login::create(&scene.database, &[GRANTS]).await;
    let mut process = scene.serve_with(&[("DATABASE_URL", &login.url)]);
    scene.settled().await;
    scene.assert_right().await;
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
    let mut environment = scene.environment();
    environment.push(("DATABASE_URL", &login.url));
    for command in [&["verify", "--deep", "all"][..], &["verify", "--topic"], &["user", "show", "user-0"]] {
        let finished = segmenter(command, &environment).finish(DEADLINE).await;
        assert_eq!(finished.code, Some(0), "{command:?}: {finished:?}");
    }
    login.drop(&scene.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_the_documented_grants_can_destroy_migrate_and_read_nothing_else() {
    let scene = Scene::new(1).await;
    let login = Login::create(&scene.database, &[GRANTS]).await;
    let pool = login.pool();
    for forbidden in [
        "drop table public.user_vectors",
        "drop schema segmenter cascade",
        "truncate public.user_vectors",
        "truncate segmenter.outbox",
        "alter table segmenter.profile_states add column more int",
        "alter table public.user_vectors disable trigger all",
        "create table public.mine (id int)",
        "create index on public.user_vectors (source)",
        "select * from public.travel_onboarding_profiles",
        "create role another",
        "copy public.users to program 'cat'",
    ] {
        let error = sqlx::query(AssertSqlSafe(forbidden)).execute(&pool).await.expect_err(forbidden);
        let code = error.as_database_error().and_then(|database| database.code()).unwrap_or_default().into_owned();
        assert_eq!(code, "42501", "{forbidden}: {error}");
    }
    pool.close().await;
    let finished =
        segmenter(&["migrate", "revert", "--all", "--execute"], &[("DATABASE_URL", &login.url)]).finish(DEADLINE).await;
    assert_ne!(finished.code, Some(0), "{finished:?}");
    login.drop(&scene.database).await;
}
