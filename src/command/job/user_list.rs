//! A file of users, an id a line.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::event::UserId;

/// Reads it; in bytewise order, each once. Empty lines are left out.
///
/// # Errors
/// It cannot be read, a line is no id of a user, or there is none.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<UserId>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    let mut users = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty()) {
        let user = UserId::new(line);
        users.insert(user.with_context(|| format!("{}, line {number}: no id of a user", path.display()))?);
    }
    if users.is_empty() {
        bail!("{} names no user", path.display());
    }
    Ok(users.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_each_user_once_in_bytewise_order_and_a_line_that_is_no_id_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read(&file).map(|users| users.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(read("b\n\na\nB\nb\n").unwrap(), ["B", "a", "b"]);
        assert!(read("").is_err());
        assert!(format!("{:#}", read(&format!("a\n{}\n", "x".repeat(192))).unwrap_err()).contains("line 2"));
    }
}
