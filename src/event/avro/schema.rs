//! A writer's schema, compiled once into what reading needs: types by number, names resolved.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::schema::{DecimalSchema, InnerDecimalSchema, Name, NamespaceRef, RecordSchema, UuidSchema};

/// The schema with which a datum was written; any Avro schema, its references to named types within itself.
#[derive(Debug)]
pub struct WriterSchema {
    types: Vec<Type>,
    root: TypeId,
    fingerprint: u64,
}

/// Why a text is no schema that can be read with.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("not an Avro schema")]
    Invalid(#[source] Box<apache_avro::Error>),
    #[error("refers to a type that it does not define")]
    UndefinedName,
}

/// A type of a [`WriterSchema`], by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TypeId(usize);

/// How a value lies in a datum. Logical types are what they are written as.
#[derive(Debug)]
pub(super) enum Type {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    /// That many bytes.
    Fixed(usize),
    /// The symbols.
    Enum(Vec<Box<str>>),
    Array(TypeId),
    Map(TypeId),
    Union(Vec<TypeId>),
    Record(Vec<Field>),
}

#[derive(Debug)]
pub(super) struct Field {
    pub name: Box<str>,
    pub of: TypeId,
}

impl WriterSchema {
    /// Compiles a schema written as JSON (an `.avsc`).
    ///
    /// # Errors
    /// The text is no Avro schema, or not a complete one.
    pub fn parse(json: &str) -> Result<Self, SchemaError> {
        let schema = Schema::parse_str(json).map_err(|error| SchemaError::Invalid(Box::new(error)))?;
        Self::new(&schema)
    }

    /// As [`Self::parse`], for a schema that refers to named types of `others`, each after those that it refers to itself.
    ///
    /// # Errors
    /// One of the texts is no Avro schema, or they are not complete.
    pub fn parse_with(json: &str, others: &[String]) -> Result<Self, SchemaError> {
        let invalid = |error| SchemaError::Invalid(Box::new(error));
        let (schema, others) = Schema::parse_str_with_list(json, others).map_err(invalid)?;
        Self::compiled(&schema, &others)
    }

    /// Compiles a parsed schema.
    ///
    /// # Errors
    /// It refers to a type that it does not define.
    pub fn new(schema: &Schema) -> Result<Self, SchemaError> {
        Self::compiled(schema, &[])
    }

    fn compiled(schema: &Schema, others: &[Schema]) -> Result<Self, SchemaError> {
        let mut compiler = Compiler::default();
        for other in others {
            compiler.compile(other, None)?;
        }
        let root = compiler.compile(schema, None)?;
        let fingerprint = schema.fingerprint::<Rabin>().bytes.try_into().map_or(0, u64::from_le_bytes);
        Ok(Self { types: compiler.types, root, fingerprint })
    }

    /// The CRC-64-AVRO of the schema's parsing canonical form, as single-object encoding names it.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether the schema is a record with the field `name`.
    pub(super) fn has_field(&self, name: &str) -> bool {
        matches!(self.get(self.root), Some(Type::Record(fields)) if fields.iter().any(|field| &*field.name == name))
    }

    pub(super) fn root(&self) -> TypeId {
        self.root
    }

    /// Always there for the numbers in this schema.
    pub(super) fn get(&self, id: TypeId) -> Option<&Type> {
        self.types.get(id.0)
    }
}

#[derive(Default)]
struct Compiler {
    types: Vec<Type>,
    named: HashMap<Name, TypeId>,
}

impl Compiler {
    fn compile(&mut self, schema: &Schema, namespace: NamespaceRef<'_>) -> Result<TypeId, SchemaError> {
        let compiled = match schema {
            Schema::Null => Type::Null,
            Schema::Boolean => Type::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => Type::Int,
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Type::Long,
            Schema::Float => Type::Float,
            Schema::Double => Type::Double,
            Schema::Bytes
            | Schema::BigDecimal
            | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Bytes, .. })
            | Schema::Uuid(UuidSchema::Bytes) => Type::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Type::String,
            Schema::Array(array) => Type::Array(self.compile(&array.items, namespace)?),
            Schema::Map(map) => Type::Map(self.compile(&map.types, namespace)?),
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|branch| self.compile(branch, namespace));
                Type::Union(branches.collect::<Result<_, _>>()?)
            }
            Schema::Record(record) => return self.record(record, namespace),
            Schema::Enum(symbols) => {
                let of = Type::Enum(symbols.symbols.iter().map(|symbol| symbol.as_str().into()).collect());
                return Ok(self.named(&symbols.name, namespace, of));
            }
            Schema::Fixed(fixed)
            | Schema::Duration(fixed)
            | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Fixed(fixed), .. })
            | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                return Ok(self.named(&fixed.name, namespace, Type::Fixed(fixed.size)));
            }
            Schema::Ref { name } => {
                let name = name.fully_qualified_name(namespace);
                return self.named.get(name.as_ref()).copied().ok_or(SchemaError::UndefinedName);
            }
        };
        Ok(self.add(compiled))
    }

    /// The record's name is known before its fields, which may refer to it.
    fn record(&mut self, record: &RecordSchema, namespace: NamespaceRef<'_>) -> Result<TypeId, SchemaError> {
        let id = self.named(&record.name, namespace, Type::Null);
        let name = record.name.fully_qualified_name(namespace);
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            let of = self.compile(&field.schema, name.namespace())?;
            fields.push(Field { name: field.name.as_str().into(), of });
        }
        if let Some(slot) = self.types.get_mut(id.0) {
            *slot = Type::Record(fields);
        }
        Ok(id)
    }

    fn named(&mut self, name: &Name, namespace: NamespaceRef<'_>, of: Type) -> TypeId {
        let id = self.add(of);
        self.named.insert(name.fully_qualified_name(namespace).into_owned(), id);
        id
    }

    fn add(&mut self, of: Type) -> TypeId {
        self.types.push(of);
        TypeId(self.types.len() - 1)
    }
}
