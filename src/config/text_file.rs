//! Text files of a bounded length: the configuration file, and files with a secret.

use std::io::Read;
use std::path::Path;

/// The longest file with a secret, in bytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// The secret in the file at `path`, without the line's end that editors and `kubectl` leave.
pub(super) fn read_secret(path: &Path) -> Result<String, String> {
    let text = read_text(path, MAX_SECRET_BYTES)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The whole of a text file of at most `max_bytes`; the error is a rule to be read after "the file".
pub(super) fn read_text(path: &Path, max_bytes: u64) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut bytes = Vec::new();
    file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > max_bytes {
        return Err(format!("must not be longer than {max_bytes} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "must be UTF-8".into())
}
