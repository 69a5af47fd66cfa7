//! A file of users, an id a line.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use crate::event::UserId;

/// Why a file is no list of users: it cannot be read, or each line that is no id, by its number. What such a line holds may
/// be anything, so it is not repeated.
#[derive(Debug)]
pub(super) struct Unusable {
    file: String,
    problems: Vec<String>,
}

impl fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the list of users {} cannot be used: {}", self.file, self.problems.join("; "))
    }
}

/// Reads it; in bytewise order, each once. Empty lines are left out.
///
/// # Errors
/// It cannot be read, lines are no ids of users, or there is none.
pub(super) fn read(path: &Path) -> Result<Vec<UserId>, Unusable> {
    let unusable = |problems| Unusable { file: path.display().to_string(), problems };
    let bytes = std::fs::read(path).map_err(|error| unusable(vec![error.to_string()]))?;
    let (mut users, mut problems) = (BTreeSet::new(), Vec::new());
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    for (number, line) in (1..).zip(lines).filter(|(_, line)| !line.is_empty()) {
        match std::str::from_utf8(line).ok().and_then(UserId::new) {
            Some(user) => drop(users.insert(user)),
            None => problems.push(format!("line {number}: no id of a user")),
        }
    }
    match (problems.is_empty(), users.is_empty()) {
        (false, _) => Err(unusable(problems)),
        (true, true) => Err(unusable(vec!["it names no user".to_owned()])),
        (true, false) => Ok(users.into_iter().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_each_user_once_in_bytewise_order_and_every_line_that_is_no_id_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users");
        let read = |text: &[u8]| {
            std::fs::write(&file, text).unwrap();
            read(&file)
                .map(|users| users.iter().map(ToString::to_string).collect::<Vec<_>>())
                .map_err(|unusable| unusable.problems)
        };
        assert_eq!(read(b"b\n\na\r\nB\nb\n").unwrap(), ["B", "a", "b"]);
        assert_eq!(read(b"\n\n").unwrap_err(), ["it names no user"]);
        let text = [b"a\n\xff\n".as_slice(), "x".repeat(192).as_bytes(), b"\nb"].concat();
        assert_eq!(read(&text).unwrap_err(), ["line 2: no id of a user", "line 3: no id of a user"]);
    }
}
