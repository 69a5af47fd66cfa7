//! The registered schema that a value names: in Confluent's framing before the datum, or in a header beside it.
//!
//! See <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format>.

use std::fmt;

use uuid::Uuid;

use crate::domain::event::{Reason, Rejection};

/// The header in which a serializer may name a value's schema; the value is then the datum alone.
pub(crate) const SCHEMA_HEADER: &str = "__value_schema_id";

/// The first byte of the framing, and of a header with an id.
const ID: u8 = 0;
/// The first byte of a header with a GUID.
const GUID: u8 = 1;

/// The name of a registered schema. It never names another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaName {
    /// Assigned by one registry.
    Id(u32),
    /// The same in every registry.
    Guid(Uuid),
}

impl fmt::Display for SchemaName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(formatter, "schema id {id}"),
            Self::Guid(guid) => write!(formatter, "schema GUID {guid}"),
        }
    }
}

/// A datum and the name of the schema that it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framed<'a> {
    pub schema: SchemaName,
    pub datum: &'a [u8],
}

/// The datum and the schema that `value` or its header names; `None` where neither names one.
///
/// # Errors
/// `malformed` where the name is incomplete or the header is of another form.
pub fn framed<'a>(value: &'a [u8], header: Option<&[u8]>) -> Option<Result<Framed<'a>, Rejection>> {
    if let Some(header) = header {
        let schema = of_header(header).ok_or_else(|| {
            Rejection::new(
                Reason::Malformed,
                format!("the header {SCHEMA_HEADER} is neither a schema's id nor its GUID"),
            )
        });
        return Some(schema.map(|schema| Framed { schema, datum: value }));
    }
    let [ID, rest @ ..] = value else { return None };
    Some(match rest.split_first_chunk() {
        Some((id, datum)) => Ok(Framed { schema: SchemaName::Id(u32::from_be_bytes(*id)), datum }),
        None => Err(Rejection::new(Reason::Malformed, "the value ends within its schema's id")),
    })
}

fn of_header(header: &[u8]) -> Option<SchemaName> {
    match header {
        [ID, id @ ..] => id.try_into().ok().map(|id| SchemaName::Id(u32::from_be_bytes(id))),
        [GUID, guid @ ..] => guid.try_into().ok().map(|guid| SchemaName::Guid(Uuid::from_bytes(guid))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_framing_names_an_id_and_a_header_an_id_or_a_guid() {
        let of = |value, header| framed(value, header).unwrap().unwrap();
        assert_eq!(of(b"\0\0\0\x01\x02rest", None), Framed { schema: SchemaName::Id(258), datum: b"rest" });
        assert_eq!(of(b"datum", Some(b"\0\0\0\0\x07")), Framed { schema: SchemaName::Id(7), datum: b"datum" });
        let guid = Uuid::from_u128(0x6f1c_3a52_8d0e_5b6a_9f47_21c0_7be4_d918);
        let header = [&[1], guid.as_bytes().as_slice()].concat();
        // The header counts, whatever the value begins with.
        let expected = Framed { schema: SchemaName::Guid(guid), datum: b"\0datum" };
        assert_eq!(of(b"\0datum", Some(&header)), expected);
    }

    #[test]
    fn an_incomplete_name_is_malformed_and_a_value_without_one_is_not_framed() {
        for (value, header) in [
            (&b"\0"[..], None),
            (b"\0\0\0\0", None),
            (b"{}", Some(&b""[..])),
            (b"{}", Some(b"\0\0")),
            (b"{}", Some(b"\x02")),
        ] {
            assert_eq!(framed(value, header).unwrap().unwrap_err().reason, Reason::Malformed);
        }
        assert!(framed(b"{}", None).is_none() && framed(b"", None).is_none() && framed(b"\xc3\x01", None).is_none());
    }
}
