//! Avro's binary encoding to trees: what a shape names is kept as it was found, the rest is walked over.
//!
//! Nothing is believed that the bytes cannot hold: lengths are bounded by what is left of them, every item of a list
//! takes at least one, and nesting and the number of values are limited. All of it is checked in what is skipped too.
//! See <https://avro.apache.org/docs/1.12.0/specification/#binary-encoding>.

use std::collections::HashSet;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use super::schema::{Field, Type, TypeId, WriterSchema};
use crate::event::tree::{self, Fields, Node, Shape};

/// The deepest nesting of records, arrays and maps that is accepted.
const MAX_DEPTH: usize = 128;
/// A schema may have values that take no bytes (records of nulls), even exponentially many. This many values are read
/// at most, and so many more for each byte: far beyond any schema that means something.
const MIN_VALUES: usize = 1024;
const VALUES_PER_BYTE: usize = 16;

/// Why bytes are no datum of their schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("it ends too early, or has a length beyond its end")]
    TooShort,
    #[error("it goes on after its end")]
    TooLong,
    #[error("an integer is too long")]
    Integer,
    #[error("a length is negative")]
    Length,
    #[error("a boolean is neither 0 nor 1")]
    Boolean,
    #[error("a string is not UTF-8")]
    Utf8,
    #[error("a union or an enum has no such branch")]
    Branch,
    #[error("a block of a list is not of the size it says")]
    BlockSize,
    #[error("a list has items without bytes")]
    EmptyItem,
    #[error("a map that is read has a key twice")]
    DuplicateKey,
    #[error("it is nested over 128 deep")]
    TooDeep,
    #[error("it has more values than its bytes can mean")]
    TooManyValues,
}

/// Reads `datum` as a whole.
pub(super) fn read<'a>(
    writer: &'a WriterSchema,
    datum: &'a [u8],
    shape: Shape,
    arena: &'a Bump,
) -> Result<Node<'a>, Fault> {
    let values_left = datum.len().saturating_mul(VALUES_PER_BYTE).saturating_add(MIN_VALUES);
    let mut reader = Reader { writer, rest: datum, values_left, arena };
    let node = reader.value(writer.root(), Some(shape), 0)?;
    if reader.rest.is_empty() { Ok(node) } else { Err(Fault::TooLong) }
}

struct Reader<'a> {
    writer: &'a WriterSchema,
    rest: &'a [u8],
    values_left: usize,
    arena: &'a Bump,
}

impl<'a> Reader<'a> {
    /// Reads one value that lies `depth` deep. Without a shape it is only walked over.
    fn value(&mut self, of: TypeId, shape: Option<Shape>, depth: usize) -> Result<Node<'a>, Fault> {
        self.values_left = self.values_left.checked_sub(1).ok_or(Fault::TooManyValues)?;
        let writer = self.writer;
        Ok(match writer.get(of).ok_or(Fault::Branch)? {
            Type::Null => Node::Null,
            Type::Boolean => Node::Bool(self.boolean()?),
            Type::Int => Node::number(f64::from(self.int()?)),
            // The nearest double, as in JSON.
            Type::Long => Node::number(self.long()? as f64),
            Type::Float => number(f64::from(f32::from_le_bytes(self.chunk()?))),
            Type::Double => number(f64::from_le_bytes(self.chunk()?)),
            Type::String => Node::Text(self.string()?),
            Type::Bytes => {
                let length = self.length()?;
                self.take(length)?;
                Node::Other
            }
            Type::Fixed(size) => {
                self.take(*size)?;
                Node::Other
            }
            Type::Enum(symbols) => Node::Text(self.branch(symbols)?),
            Type::Union(branches) => {
                let branch = *self.branch(branches)?;
                self.value(branch, shape, depth)?
            }
            Type::Array(item) => self.array(*item, shape, deeper(depth)?)?,
            Type::Map(value) => self.map(*value, shape, deeper(depth)?)?,
            Type::Record(fields) => self.record(fields, shape, deeper(depth)?)?,
        })
    }

    fn record(&mut self, fields: &'a [Field], shape: Option<Shape>, depth: usize) -> Result<Node<'a>, Fault> {
        let names = names(shape);
        let values: &mut [Option<Node<'a>>] = self.arena.alloc_slice_fill_copy(names.len(), None);
        for field in fields {
            match tree::slot(names, values, &field.name) {
                Some((shape, value)) => *value = Some(self.value(field.of, Some(shape), depth)?),
                None => {
                    self.value(field.of, None, depth)?;
                }
            }
        }
        Ok(object(shape, values))
    }

    /// A map is an object, as in JSON.
    fn map(&mut self, of: TypeId, shape: Option<Shape>, depth: usize) -> Result<Node<'a>, Fault> {
        let names = names(shape);
        let values: &mut [Option<Node<'a>>] = self.arena.alloc_slice_fill_copy(names.len(), None);
        let mut keys = HashSet::new();
        self.blocks(|reader| {
            let key = reader.string()?;
            if !names.is_empty() && !keys.insert(key) {
                return Err(Fault::DuplicateKey);
            }
            match tree::slot(names, values, key) {
                Some((shape, value)) => *value = Some(reader.value(of, Some(shape), depth)?),
                None => {
                    reader.value(of, None, depth)?;
                }
            }
            Ok(())
        })?;
        Ok(object(shape, values))
    }

    fn array(&mut self, of: TypeId, shape: Option<Shape>, depth: usize) -> Result<Node<'a>, Fault> {
        let mut items = ArenaVec::new_in(self.arena);
        self.blocks(|reader| {
            if shape == Some(Shape::List) {
                items.push(reader.value(of, Some(Shape::Scalar), depth)?);
            } else {
                reader.value(of, None, depth)?;
            }
            Ok(())
        })?;
        Ok(if shape == Some(Shape::List) { Node::List(items.into_bump_slice()) } else { Node::Other })
    }

    /// Reads the blocks of an array or a map, with `item` for each of their items.
    fn blocks(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        loop {
            let count = self.long()?;
            // A negative count is followed by the block's size in bytes.
            let left_after = match count {
                0 => return Ok(()),
                1.. => None,
                _ => {
                    let size = self.length()?;
                    Some(self.rest.len().checked_sub(size).ok_or(Fault::TooShort)?)
                }
            };
            for _ in 0..count.unsigned_abs() {
                let left_before = self.rest.len();
                item(self)?;
                if self.rest.len() == left_before {
                    return Err(Fault::EmptyItem);
                }
            }
            if left_after.is_some_and(|left_after| left_after != self.rest.len()) {
                return Err(Fault::BlockSize);
            }
        }
    }

    fn branch<T>(&mut self, branches: &'a [T]) -> Result<&'a T, Fault> {
        let index = usize::try_from(self.long()?).map_err(|_| Fault::Branch)?;
        branches.get(index).ok_or(Fault::Branch)
    }

    fn boolean(&mut self) -> Result<bool, Fault> {
        match self.chunk::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [_] => Err(Fault::Boolean),
        }
    }

    fn int(&mut self) -> Result<i32, Fault> {
        i32::try_from(self.long()?).map_err(|_| Fault::Integer)
    }

    /// A zigzag integer in groups of seven bits, the lowest first.
    fn long(&mut self) -> Result<i64, Fault> {
        let mut zigzag = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.chunk()?;
            let bits = u64::from(byte & 0x7f);
            // Of the tenth group one bit is left.
            if shift == 63 && bits > 1 {
                return Err(Fault::Integer);
            }
            zigzag |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
            }
        }
        Err(Fault::Integer)
    }

    fn length(&mut self) -> Result<usize, Fault> {
        usize::try_from(self.long()?).map_err(|_| Fault::Length)
    }

    fn string(&mut self) -> Result<&'a str, Fault> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Fault::Utf8)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Fault::TooShort)?;
        self.rest = rest;
        Ok(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (chunk, rest) = self.rest.split_first_chunk().ok_or(Fault::TooShort)?;
        self.rest = rest;
        Ok(*chunk)
    }
}

fn deeper(depth: usize) -> Result<usize, Fault> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(Fault::TooDeep) }
}

/// JSON knows finite numbers only; all others are of no type that any field has.
fn number(value: f64) -> Node<'static> {
    if value.is_finite() { Node::number(value) } else { Node::Other }
}

/// The fields that are read of an object of this shape.
fn names(shape: Option<Shape>) -> &'static [tree::Field] {
    match shape {
        Some(Shape::Object(names)) => names,
        Some(Shape::Scalar | Shape::List | Shape::Presence) | None => &[],
    }
}

fn object<'a>(shape: Option<Shape>, values: &'a [Option<Node<'a>>]) -> Node<'a> {
    match shape {
        Some(Shape::Object(_) | Shape::Presence) => Node::Object(Fields { names: names(shape), values }),
        Some(Shape::Scalar | Shape::List) | None => Node::Other,
    }
}
