//! Avro's binary encoding as a format of serde, so that it is read by the same visitor as JSON.
//!
//! The bytes are not trusted: a length is at most the rest of the bytes, each item of a list takes at least one byte, and
//! nesting and the number of values are limited. Skipped values are checked in the same way.
//! See <https://avro.apache.org/docs/1.12.0/specification/#binary-encoding>.

use std::fmt::Display;
use std::slice;

use apache_avro::Schema;
use apache_avro::schema::{DecimalSchema, InnerDecimalSchema, NamespaceRef, RecordField, UuidSchema};
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::schema::WriterSchema;

/// The deepest nesting of records, arrays and maps that is accepted.
const MAX_DEPTH: usize = 128;
/// A schema may have values that take no bytes (records of nulls), even exponentially many. At most this many values
/// are read, and [`VALUES_PER_BYTE`] more for each byte: far more than a sensible schema has.
const MIN_VALUES: usize = 1024;
const VALUES_PER_BYTE: usize = 16;

/// Why bytes are not a datum of their schema. Never quotes the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Fault(&'static str);

const TOO_SHORT: Fault = Fault("it ends too early, or has a length beyond its end");
const NO_BRANCH: Fault = Fault("a union or an enum has no such branch");

impl de::Error for Fault {
    /// The visitor has no other error.
    fn custom<T: Display>(_: T) -> Self {
        Self("a map that is read has a key twice")
    }
}

/// Reads `datum` as a whole with `seed`.
pub(super) fn read<'a, S: DeserializeSeed<'a>>(
    writer: &'a WriterSchema,
    datum: &'a [u8],
    seed: S,
) -> Result<S::Value, Fault> {
    let values_left = datum.len().saturating_mul(VALUES_PER_BYTE).saturating_add(MIN_VALUES);
    let mut reader = Reader { writer, rest: datum, values_left };
    let root = Type { schema: writer.root(), namespace: None, depth: 0 };
    let value = seed.deserialize(Datum { reader: &mut reader, of: root })?;
    if reader.rest.is_empty() { Ok(value) } else { Err(Fault("it has bytes after its end")) }
}

/// The rest of a datum.
struct Reader<'a> {
    writer: &'a WriterSchema,
    rest: &'a [u8],
    values_left: usize,
}

/// The type of the next value, with its namespace and depth.
#[derive(Clone, Copy)]
struct Type<'a> {
    schema: &'a Schema,
    namespace: NamespaceRef<'a>,
    depth: usize,
}

impl<'a> Type<'a> {
    fn of(self, schema: &'a Schema) -> Self {
        Self { schema, ..self }
    }

    fn deeper(self) -> Result<Self, Fault> {
        if self.depth == MAX_DEPTH {
            return Err(Fault("it is nested over 128 deep"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

/// The next value.
struct Datum<'r, 'a> {
    reader: &'r mut Reader<'a>,
    of: Type<'a>,
}

impl<'de> Deserializer<'de> for Datum<'_, 'de> {
    type Error = Fault;

    /// A logical type is read as the type that encodes it.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Self { reader, of } = self;
        reader.values_left = reader.values_left.checked_sub(1).ok_or(Fault("it has too many values for its length"))?;
        match of.schema {
            Schema::Null => visitor.visit_unit(),
            Schema::Boolean => visitor.visit_bool(reader.boolean()?),
            Schema::Int | Schema::Date | Schema::TimeMillis => visitor.visit_i32(reader.int()?),
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => visitor.visit_i64(reader.long()?),
            Schema::Float => visitor.visit_f32(f32::from_le_bytes(reader.chunk()?)),
            Schema::Double => visitor.visit_f64(f64::from_le_bytes(reader.chunk()?)),
            Schema::Bytes
            | Schema::BigDecimal
            | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Bytes, .. })
            | Schema::Uuid(UuidSchema::Bytes) => visitor.visit_borrowed_bytes(reader.bytes()?),
            Schema::String | Schema::Uuid(UuidSchema::String) => visitor.visit_borrowed_str(reader.string()?),
            Schema::Fixed(fixed)
            | Schema::Duration(fixed)
            | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Fixed(fixed), .. })
            | Schema::Uuid(UuidSchema::Fixed(fixed)) => visitor.visit_borrowed_bytes(reader.take(fixed.size)?),
            Schema::Enum(symbols) => visitor.visit_borrowed_str(reader.branch(&symbols.symbols)?),
            Schema::Union(union) => {
                let of = of.of(reader.branch(union.variants())?);
                Datum { reader, of }.deserialize_any(visitor)
            }
            Schema::Array(array) => visitor.visit_seq(Blocks::new(reader, of.deeper()?.of(&array.items))),
            Schema::Map(map) => visitor.visit_map(Blocks::new(reader, of.deeper()?.of(&map.types))),
            Schema::Record(record) => {
                let namespace = record.name.namespace().or(of.namespace);
                let of = Type { namespace, ..of.deeper()? };
                visitor.visit_map(Fields { reader, of, fields: record.fields.iter() })
            }
            Schema::Ref { name } => {
                let (schema, namespace) = reader.writer.named(name, of.namespace).ok_or(NO_BRANCH)?;
                let of = Type { schema, namespace, ..of };
                Datum { reader, of }.deserialize_any(visitor)
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The fields of a record; `of` is the type of the field whose name was read last.
struct Fields<'r, 'a> {
    reader: &'r mut Reader<'a>,
    of: Type<'a>,
    fields: slice::Iter<'a, RecordField>,
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some(field) = self.fields.next() else { return Ok(None) };
        self.of = self.of.of(&field.schema);
        seed.deserialize(BorrowedStrDeserializer::new(&field.name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        seed.deserialize(Datum { reader: self.reader, of: self.of })
    }
}

/// The items of an array or of a map, which are written in blocks; a map's keys are strings.
struct Blocks<'r, 'a> {
    reader: &'r mut Reader<'a>,
    of: Type<'a>,
    /// The items left in the present block.
    items: u64,
    /// The bytes that must be left after the present block, if the block states its size.
    left_after: Option<usize>,
}

impl<'r, 'a> Blocks<'r, 'a> {
    fn new(reader: &'r mut Reader<'a>, of: Type<'a>) -> Self {
        Self { reader, of, items: 0, left_after: None }
    }

    /// Whether another item follows.
    fn has_next(&mut self) -> Result<bool, Fault> {
        if self.items == 0 {
            if self.left_after.take().is_some_and(|left_after| left_after != self.reader.rest.len()) {
                return Err(Fault("a block of a list does not have the size that it states"));
            }
            let count = self.reader.long()?;
            if count < 0 {
                let size = self.reader.length()?;
                self.left_after = Some(self.reader.rest.len().checked_sub(size).ok_or(TOO_SHORT)?);
            }
            self.items = count.unsigned_abs();
        }
        let is_next = self.items > 0;
        self.items = self.items.saturating_sub(1);
        Ok(is_next)
    }
}

impl<'de> SeqAccess<'de> for Blocks<'_, 'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        if !self.has_next()? {
            return Ok(None);
        }
        let left_before = self.reader.rest.len();
        let item = seed.deserialize(Datum { reader: self.reader, of: self.of })?;
        if self.reader.rest.len() == left_before {
            return Err(Fault("a list has items without bytes"));
        }
        Ok(Some(item))
    }
}

impl<'de> MapAccess<'de> for Blocks<'_, 'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        if !self.has_next()? {
            return Ok(None);
        }
        seed.deserialize(BorrowedStrDeserializer::new(self.reader.string()?)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        seed.deserialize(Datum { reader: self.reader, of: self.of })
    }
}

impl<'a> Reader<'a> {
    fn branch<T>(&mut self, branches: &'a [T]) -> Result<&'a T, Fault> {
        let index = usize::try_from(self.long()?).map_err(|_| NO_BRANCH)?;
        branches.get(index).ok_or(NO_BRANCH)
    }

    fn boolean(&mut self) -> Result<bool, Fault> {
        match self.chunk::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [_] => Err(Fault("a boolean is neither 0 nor 1")),
        }
    }

    fn int(&mut self) -> Result<i32, Fault> {
        i32::try_from(self.long()?).map_err(|_| Fault("an integer is too long"))
    }

    /// A zigzag integer in groups of seven bits, the lowest first.
    fn long(&mut self) -> Result<i64, Fault> {
        let mut zigzag = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.chunk()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth group has one bit left.
            if shift == 63 && bits > 1 {
                break;
            }
            zigzag |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
            }
        }
        Err(Fault("an integer is too long"))
    }

    fn length(&mut self) -> Result<usize, Fault> {
        usize::try_from(self.long()?).map_err(|_| Fault("a length is negative"))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.length()?;
        self.take(length)
    }

    fn string(&mut self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Fault("a string is not UTF-8"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(TOO_SHORT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (chunk, rest) = self.rest.split_first_chunk().ok_or(TOO_SHORT)?;
        self.rest = rest;
        Ok(*chunk)
    }
}
