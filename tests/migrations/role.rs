//! A role of the test's own. Roles belong to the whole server, so it is named by chance and dropped again.

use sqlx::PgConnection;
use uuid::Uuid;

use super::database::execute;

pub(super) struct Role {
    pub(super) name: String,
}

impl Role {
    /// Without any right but those of everyone.
    pub(super) async fn create(conn: &mut PgConnection) -> Self {
        let name = format!("role_{}", Uuid::new_v4().simple());
        execute(conn, &format!("create role {name}")).await;
        Self { name }
    }

    /// With all that it owns in this database.
    pub(super) async fn drop(self, conn: &mut PgConnection) {
        let name = self.name;
        execute(conn, &format!("reset session authorization; drop owned by {name} cascade; drop role {name}")).await;
    }
}
