//! A writer's schema with its named types, and the schemas that are known without a registry.

use std::collections::HashMap;
use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::schema::{Name, NamespaceRef, ResolvedSchema};

/// The schema with which a datum was written: any Avro schema, with the definitions of all types that it names.
#[derive(Debug)]
pub struct WriterSchema {
    root: Schema,
    named: HashMap<Name, Schema>,
    fingerprint: u64,
}

/// Why a text cannot be used as a writer's schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("not an Avro schema")]
    Invalid(#[source] Box<apache_avro::Error>),
    #[error("refers to a type that it does not define")]
    UndefinedName(#[source] Box<apache_avro::Error>),
}

impl WriterSchema {
    /// Reads a schema written as JSON (an `.avsc`).
    ///
    /// # Errors
    /// The text is not an Avro schema, or not a complete one.
    pub fn parse(json: &str) -> Result<Self, SchemaError> {
        Self::parse_with(json, &[])
    }

    /// As [`Self::parse`], for a schema that refers to named types of `others`, each after those that it refers to itself.
    ///
    /// # Errors
    /// One of the texts is not an Avro schema, or they are not complete.
    pub fn parse_with(json: &str, others: &[String]) -> Result<Self, SchemaError> {
        let invalid = |error| SchemaError::Invalid(Box::new(error));
        let undefined = |error| SchemaError::UndefinedName(Box::new(error));
        let (root, others) = Schema::parse_str_with_list(json, others).map_err(invalid)?;
        let resolved = ResolvedSchema::new_with_schemata(others.iter().chain([&root]).collect()).map_err(undefined)?;
        let named = resolved.get_names().iter().map(|(name, schema)| (name.clone(), (*schema).clone())).collect();
        let fingerprint = root.fingerprint::<Rabin>().bytes.try_into().map_or(0, u64::from_le_bytes);
        Ok(Self { root, named, fingerprint })
    }

    /// The CRC-64-AVRO of the schema's parsing canonical form, by which single-object encoding names the schema.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether the schema is a record with the field `name`.
    pub(super) fn has_field(&self, name: &str) -> bool {
        matches!(&self.root, Schema::Record(record) if record.fields.iter().any(|field| field.name == name))
    }

    pub(super) fn root(&self) -> &Schema {
        &self.root
    }

    /// The type `name`, and the namespace inside it. `namespace` completes a name without one.
    pub(super) fn named(&self, name: &Name, namespace: NamespaceRef<'_>) -> Option<(&Schema, NamespaceRef<'_>)> {
        let (name, schema) = self.named.get_key_value(name.fully_qualified_name(namespace).as_ref())?;
        Some((schema, name.namespace()))
    }
}

/// Every schema of an input event in `schemas/`. A replaced one moves to `schemas/history/` and stays in this list: topics
/// retain records written with it.
const KNOWN: [&str; 4] = [
    include_str!("../../../schemas/onboarding-completed.avsc"),
    include_str!("../../../schemas/profile-updated.avsc"),
    include_str!("../../../schemas/history/onboarding-completed-1.avsc"),
    include_str!("../../../schemas/history/profile-updated-1.avsc"),
];

// A test below ensures that all of them parse.
static BY_FINGERPRINT: LazyLock<HashMap<u64, WriterSchema>> = LazyLock::new(|| {
    let schemas = KNOWN.iter().filter_map(|json| WriterSchema::parse(json).ok());
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
            assert!(by_fingerprint(schema.fingerprint()).is_some(), "{} is not in KNOWN", path.display());
        }
        assert_eq!(inputs.len(), KNOWN.len());
        assert_eq!(BY_FINGERPRINT.len(), KNOWN.len());
    }
}
