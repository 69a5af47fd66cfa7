//! The user of an event: the one that the payload names, else the one that the record's key names.

use super::tree::Node;
use crate::domain::event::{Reason, Rejection, UserId};

/// The user of a payload, and whether the record's key names another one.
///
/// # Errors
/// `bad_user` where the first present of `userId`, `profile.userId` and the key is not a user's id; `missing_user` where
/// none is present.
pub(super) fn of_payload(payload: &Node<'_>, key: Option<&[u8]>) -> Result<(UserId, bool), Rejection> {
    let user = match of_node(payload.get("userId"), "userId")? {
        Some(user) => Some(user),
        None => of_node(payload.get("profile").get("userId"), "profile.userId")?,
    };
    match (user, key) {
        (Some(user), key) => {
            let key_differs = key.is_some_and(|key| key != user.as_str().as_bytes());
            Ok((user, key_differs))
        }
        (None, Some(key)) => Ok((of_key(key)?, false)),
        (None, None) => Err(Rejection::new(Reason::MissingUser, "neither the payload nor the key names a user")),
    }
}

/// The user that a record's key names.
///
/// # Errors
/// `bad_user` where the key is not a user's id.
pub(super) fn of_key(key: &[u8]) -> Result<UserId, Rejection> {
    std::str::from_utf8(key).ok().and_then(UserId::new).ok_or_else(|| bad("key"))
}

fn of_node(node: &Node<'_>, path: &str) -> Result<Option<UserId>, Rejection> {
    match node {
        Node::Null => Ok(None),
        Node::Text(text) => UserId::new(text).map(Some).ok_or_else(|| bad(path)),
        _ => Err(bad(path)),
    }
}

fn bad(path: &str) -> Rejection {
    let most = UserId::MAX_CODE_POINTS;
    Rejection::new(Reason::BadUser, format!("{path}: must be a string of 1 to {most} code points without NUL"))
}
