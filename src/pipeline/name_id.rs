//! Ids that follow from names.

use sha1::{Digest, Sha1};
use uuid::{Builder, Uuid};

/// The UUIDv5 (RFC 9562, 5.5) of the name that the parts make together. Every event that changes something needs two such
/// ids; `uuid` could make them too, but without the processor's instructions for SHA-1, and in half as much time again.
pub fn name_id(namespace: &Uuid, parts: &[&str]) -> Uuid {
    let mut sha = Sha1::new_with_prefix(namespace);
    parts.iter().for_each(|part| sha.update(part));
    let mut first = [0; 16];
    first.iter_mut().zip(sha.finalize()).for_each(|(to, from)| *to = from);
    Builder::from_sha1_bytes(first).into_uuid()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_is_what_uuid_makes_of_the_whole_name(namespace in any::<u128>(), parts in any::<[String; 3]>()) {
            let namespace = Uuid::from_u128(namespace);
            let expected = Uuid::new_v5(&namespace, parts.concat().as_bytes());
            prop_assert_eq!(name_id(&namespace, &parts.each_ref().map(String::as_str)), expected);
        }
    }
}
