//! How serde reads the trees of [`super::tree`]: what a shape names is kept as it was found, the rest is skipped.
//!
//! Wrong types are no errors here. What is an error: a key twice in an object that is read, and what the format itself
//! cannot hold in a field that is read (a number beyond a double, a string that is not Unicode).

use std::collections::HashSet;
use std::fmt;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::tree::{self, Field, Fields, Node, Shape};

/// Up to this many unknown keys of an object are compared one by one; from there on a set does it.
const FEW_KEYS: usize = 16;

/// The members of a record's outermost object that make it an envelope.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    pub event_id: Option<&'a RawValue>,
    pub event_type: Option<&'a RawValue>,
    pub timestamp: Option<&'a RawValue>,
    pub correlation_id: Option<&'a RawValue>,
    pub payload: Option<Payload<'a>>,
}

/// An envelope's payload.
#[derive(Clone, Copy)]
pub(super) enum Payload<'a> {
    Unread(&'a RawValue),
    /// In the shape that was expected.
    Read(Node<'a>),
}

impl<'a> Envelope<'a> {
    fn member(&mut self, key: &str) -> Option<&mut Option<&'a RawValue>> {
        match key {
            "eventId" => Some(&mut self.event_id),
            "eventType" => Some(&mut self.event_type),
            "timestamp" => Some(&mut self.timestamp),
            "correlationId" => Some(&mut self.correlation_id),
            _ => None,
        }
    }
}

/// What a payload is read as, in the same pass, where the event's type stands before it.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    /// Found only where it is written without escapes, as nearly all producers do.
    pub event_type: &'static str,
    pub payload: Shape,
}

/// Reads an [`Envelope`].
pub(super) struct EnvelopeSeed<'a> {
    /// Without it the payload is left unread.
    pub expected: Option<Expected>,
    pub arena: &'a Bump,
}

impl<'de> DeserializeSeed<'de> for EnvelopeSeed<'de> {
    type Value = Envelope<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EnvelopeSeed<'de> {
    type Value = Envelope<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut envelope = Envelope::default();
        let arena = self.arena;
        let mut others = UnknownKeys::Few(ArenaVec::new_in(arena));
        while let Some(key) = map.next_key_seed(KeySeed(arena))? {
            if key == "payload" {
                if envelope.payload.is_some() {
                    return Err(duplicate());
                }
                let event_type = envelope.event_type.and_then(unescaped);
                let expected = self.expected.filter(|expected| event_type == Some(expected.event_type));
                envelope.payload = Some(match expected {
                    Some(Expected { payload, .. }) => {
                        Payload::Read(map.next_value_seed(ShapeSeed { shape: payload, arena })?)
                    }
                    None => Payload::Unread(map.next_value()?),
                });
                continue;
            }
            match envelope.member(key) {
                Some(Some(_)) => return Err(duplicate()),
                Some(member) => *member = Some(map.next_value()?),
                None if others.insert(key) => {
                    map.next_value::<IgnoredAny>()?;
                }
                None => return Err(duplicate()),
            }
        }
        Ok(envelope)
    }
}

/// What stands between the quotes of a string.
fn unescaped(raw: &RawValue) -> Option<&str> {
    raw.get().strip_prefix('"')?.strip_suffix('"')
}

/// Reads what its shape names, of a text that is known to be JSON.
#[derive(Clone, Copy)]
pub(super) struct ShapeSeed<'a> {
    pub shape: Shape,
    pub arena: &'a Bump,
}

impl<'de> DeserializeSeed<'de> for ShapeSeed<'de> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ShapeSeed<'de> {
    type Value = Node<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Node::Bool(value))
    }

    // The nearest double of a large integer is what JSON's own readers make of it.
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Node::number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Node::number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Node::number(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Node::Text(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Node::Text(self.arena.alloc_str(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        if self.shape != Shape::List {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Node::Other);
        }
        let mut items = ArenaVec::new_in(self.arena);
        while let Some(item) = seq.next_element_seed(Self { shape: Shape::Scalar, ..self })? {
            items.push(item);
        }
        Ok(Node::List(items.into_bump_slice()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        match self.shape {
            Shape::Object(names) => fields(names, map, self.arena).map(Node::Object),
            Shape::Presence => {
                skip_entries(&mut map)?;
                Ok(Node::Object(Fields::NONE))
            }
            Shape::Scalar | Shape::List => {
                skip_entries(&mut map)?;
                Ok(Node::Other)
            }
        }
    }
}

fn skip_entries<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    while map.next_entry::<SkippedKey, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Reads the fields that `names` lists and refuses any key that occurs twice.
fn fields<'de, A: MapAccess<'de>>(
    names: &'static [Field],
    mut map: A,
    arena: &'de Bump,
) -> Result<Fields<'de>, A::Error> {
    let values: &mut [Option<Node<'de>>] = arena.alloc_slice_fill_copy(names.len(), None);
    let mut others = UnknownKeys::Few(ArenaVec::new_in(arena));
    while let Some(key) = map.next_key_seed(KeySeed(arena))? {
        match tree::slot(names, values, key) {
            Some((_, Some(_))) => return Err(duplicate()),
            Some((shape, value)) => *value = Some(map.next_value_seed(ShapeSeed { shape, arena })?),
            None if others.insert(key) => {
                map.next_value::<IgnoredAny>()?;
            }
            None => return Err(duplicate()),
        }
    }
    Ok(Fields { names, values })
}

fn duplicate<E: Error>() -> E {
    E::custom("a key twice in one object")
}

/// Reads a key of an object, unescaped; borrowed where nothing was escaped.
struct KeySeed<'a>(&'a Bump);

impl<'de> DeserializeSeed<'de> for KeySeed<'de> {
    type Value = &'de str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'de> {
    type Value = &'de str;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(value)
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(self.0.alloc_str(value))
    }
}

/// A key of an object that is not read. As bytes it need not be Unicode, as [`IgnoredAny`] would want of it.
struct SkippedKey;

impl<'de> serde::Deserialize<'de> for SkippedKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(SkippedKeyVisitor)
    }
}

struct SkippedKeyVisitor;

impl Visitor<'_> for SkippedKeyVisitor {
    type Value = SkippedKey;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Self::Value, E> {
        Ok(SkippedKey)
    }
}

/// The keys met that no shape names. A hostile object must not make the comparison quadratic.
enum UnknownKeys<'a> {
    Few(ArenaVec<'a, &'a str>),
    Many(HashSet<&'a str>),
}

impl<'a> UnknownKeys<'a> {
    /// False where `key` was there already.
    fn insert(&mut self, key: &'a str) -> bool {
        match self {
            Self::Many(keys) => keys.insert(key),
            Self::Few(keys) if keys.contains(&key) => false,
            Self::Few(keys) if keys.len() < FEW_KEYS => {
                keys.push(key);
                true
            }
            Self::Few(keys) => {
                let mut all: HashSet<_> = keys.iter().copied().collect();
                all.insert(key);
                *self = Self::Many(all);
                true
            }
        }
    }
}
