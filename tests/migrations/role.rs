//! A role of one test. Roles belong to the whole server, so it has a random name and is dropped at the end.

use sqlx::PgConnection;
use uuid::Uuid;

use super::database::execute;

pub(super) struct Role {
    pub(super) name: String,
}

impl Role {
    /// With the privileges of `public` only.
    pub(super) async fn create(conn: &mut PgConnection) -> Self {
        let name = format!("role_{}", Uuid::new_v4().simple());
        execute(conn, &format!("create role {name}")).await;
        Self { name }
    }

    /// Drops it with all objects that it owns in this database.
    pub(super) async fn drop(self, conn: &mut PgConnection) {
        let name = self.name;
        execute(conn, &format!("reset session authorization; drop owned by {name} cascade; drop role {name}")).await;
    }
}
