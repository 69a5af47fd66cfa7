//! A database of one test.

use std::time::Duration;

use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgPool};

/// A new database, dropped with this value.
pub struct Database {
    name: String,
    url: String,
    server_url: String,
    pool: PgPool,
}

impl Database {
    /// Creates a database on the server at `server_url`.
    pub(super) async fn create(server_url: &str) -> Self {
        Self::create_from(server_url, "template1").await
    }

    /// Creates a copy of this database; no session may use this one meanwhile.
    pub async fn copy(&self) -> Self {
        Self::create_from(&self.server_url, &self.name).await
    }

    async fn create_from(server_url: &str, template: &str) -> Self {
        let name = format!("segmenter_test_{}", uuid::Uuid::new_v4().simple());
        let mut server = PgConnection::connect(server_url).await.expect("the server accepts connections");
        sqlx::raw_sql(AssertSqlSafe(format!("create database {name} template {template}")))
            .execute(&mut server)
            .await
            .expect("a database can be created");
        server.close().await.expect("the connection closes");
        let url = with_database(server_url, &name);
        let pool = PgPoolOptions::new()
            .max_connections(10)
            .acquire_timeout(Duration::from_secs(10))
            .connect_lazy(&url)
            .expect("the URL is valid");
        Self { name, url, server_url: server_url.to_owned(), pool }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// For the binary's `DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The test's own sessions, apart from those of the code under test.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Runs statements; panics if one fails.
    pub async fn run(&self, statements: impl Into<String>) {
        sqlx::raw_sql(AssertSqlSafe(statements.into())).execute(&self.pool).await.expect("the statements run");
    }

    /// Adds users to `users`.
    pub async fn add_users<'a>(&self, ids: impl IntoIterator<Item = &'a str>) {
        let ids: Vec<&str> = ids.into_iter().collect();
        sqlx::query(
            r#"insert into users (id, email, "updatedAt") select id, id || '@example.com', now() from unnest($1::text[]) id"#,
        )
        .bind(ids)
        .execute(&self.pool)
        .await
        .expect("users can be added");
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server_url, name) = (self.server_url.clone(), self.name.clone());
        // On a thread of its own: the drop may happen within a runtime, which cannot be entered again. Best effort: the
        // server may be stopped, and it does not outlive the run.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let drop_it = async {
                    let mut server = PgConnection::connect(&server_url).await?;
                    let statement = format!("drop database if exists {name} with (force)");
                    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut server).await?;
                    server.close().await
                };
                let _ = tokio::time::timeout(Duration::from_secs(5), drop_it).await;
            });
            std::io::Result::Ok(())
        });
        let _ = dropping.join();
    }
}

/// `url` with the database `name` instead of its own; parameters stay.
fn with_database(url: &str, name: &str) -> String {
    let (address, parameters) = url.split_once('?').map_or((url, None), |(address, rest)| (address, Some(rest)));
    let authority = address.find("://").map_or(0, |at| at + 3);
    let server = address[authority..].find('/').map_or(address, |at| &address[..authority + at]);
    match parameters {
        Some(parameters) => format!("{server}/{name}?{parameters}"),
        None => format!("{server}/{name}"),
    }
}
