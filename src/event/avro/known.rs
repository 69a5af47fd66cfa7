//! The writers' schemas that are known without a registry: the present ones and every earlier one.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::schema::WriterSchema;

/// Every schema of an event that we read, as it lies in `schemas/`. One that is replaced moves to `schemas/history/`
/// and stays here: records written with it lie in topics for as long as these retain them.
const SOURCES: [&str; 4] = [
    include_str!("../../../schemas/onboarding-completed.avsc"),
    include_str!("../../../schemas/profile-updated.avsc"),
    include_str!("../../../schemas/history/onboarding-completed-1.avsc"),
    include_str!("../../../schemas/history/profile-updated-1.avsc"),
];

// All sources parse: a test holds this module to it.
static BY_FINGERPRINT: LazyLock<HashMap<u64, WriterSchema>> = LazyLock::new(|| {
    let schemas = SOURCES.iter().filter_map(|source| WriterSchema::parse(source).ok());
    schemas.map(|schema| (schema.fingerprint(), schema)).collect()
});

/// The known schema with this CRC-64-AVRO fingerprint.
pub(super) fn by_fingerprint(fingerprint: u64) -> Option<&'static WriterSchema> {
    BY_FINGERPRINT.get(&fingerprint)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_schema_of_an_input_in_the_tree_is_known_and_no_two_are_the_same() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
        let entries = [root.clone(), root.join("history")].map(|folder| std::fs::read_dir(folder).unwrap());
        let paths = entries.into_iter().flatten().map(|entry| entry.unwrap().path());
        let is_input = |path: &Path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.ends_with(".avsc") && !name.starts_with("segment-changed")
        };
        let inputs: Vec<_> = paths.filter(|path| is_input(path)).collect();
        for path in &inputs {
            let schema = WriterSchema::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
            assert!(by_fingerprint(schema.fingerprint()).is_some(), "{} is not in SOURCES", path.display());
        }
        assert_eq!(inputs.len(), SOURCES.len());
        assert_eq!(BY_FINGERPRINT.len(), SOURCES.len());
    }
}
