//! Text of the data fitted into what a terminal shows.

/// `text` in at most `width` characters, with control characters made visible.
pub(super) fn fit(text: &str, width: usize) -> String {
    let shown = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    if text.chars().count() <= width {
        return text.chars().map(shown).collect();
    }
    text.chars().take(width.saturating_sub(1)).map(shown).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_shortened_and_control_characters_do_not_reach_the_terminal() {
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab…");
        assert_eq!(fit("a\u{1b}b", 3), "a\u{fffd}b");
    }
}
