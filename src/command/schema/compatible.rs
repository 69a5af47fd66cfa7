//! Whether records of one Avro schema can be read with another.

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;

use super::Use;

/// What keeps a version of others and ours from living together, one line each; nothing where they do.
pub(super) fn problems(ours: &Schema, theirs: &Schema, used: Use) -> Vec<String> {
    let mut problems = Vec::new();
    if let Err(error) = SchemaCompatibility::can_read(theirs, ours) {
        problems.push(format!("what was written with it cannot be read with ours: {error}"));
    }
    if used == Use::Writes
        && let Err(error) = SchemaCompatibility::can_read(ours, theirs)
    {
        problems.push(format!("who reads with it cannot read what we write: {error}"));
    }
    problems
}
