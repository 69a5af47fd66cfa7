//! Users as arguments: by id, or in a file with one id per line.

use std::collections::BTreeSet;

use crate::domain::event::UserId;

/// Reads an id.
///
/// # Errors
/// No user can have it.
pub(super) fn parse(text: &str) -> Result<UserId, String> {
    UserId::new(text).ok_or_else(|| "must be 1 to 191 characters without NUL".to_owned())
}

/// The users of a file, in bytewise order, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserList(pub Vec<UserId>);

impl UserList {
    /// Reads the file; empty lines are ignored.
    ///
    /// # Errors
    /// The file cannot be read, it names no user, or lines are not ids. The text names such lines by number only,
    /// because they may hold anything.
    pub fn read(path: &str) -> Result<Self, String> {
        let unusable = |why: &str| format!("the list of users {path} cannot be used: {why}");
        let bytes = std::fs::read(path).map_err(|error| unusable(&error.to_string()))?;
        let (mut users, mut problems) = (BTreeSet::new(), Vec::new());
        let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        for (number, line) in (1..).zip(lines).filter(|(_, line)| !line.is_empty()) {
            match std::str::from_utf8(line).ok().and_then(UserId::new) {
                Some(user) => drop(users.insert(user)),
                None => problems.push(format!("line {number}: not a user id")),
            }
        }
        match (problems.is_empty(), users.is_empty()) {
            (false, _) => Err(unusable(&problems.join("; "))),
            (true, true) => Err(unusable("it names no user")),
            (true, false) => Ok(Self(users.into_iter().collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_each_user_once_in_bytewise_order_and_every_line_that_is_not_an_id_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users");
        let read = |text: &[u8]| {
            std::fs::write(&file, text).unwrap();
            UserList::read(file.to_str().unwrap())
                .map(|list| list.0.iter().map(ToString::to_string).collect::<Vec<_>>())
                .map_err(|why| why.rsplit_once("used: ").unwrap().1.to_owned())
        };
        assert_eq!(read(b"b\n\na\r\nB\nb\n").unwrap(), ["B", "a", "b"]);
        assert_eq!(read(b"\n\n").unwrap_err(), "it names no user");
        let text = [b"a\n\xff\n".as_slice(), "x".repeat(192).as_bytes(), b"\nb"].concat();
        assert_eq!(read(&text).unwrap_err(), "line 2: not a user id; line 3: not a user id");
    }
}
