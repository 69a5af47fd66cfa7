//! The types of the settings for the log.

use tracing_subscriber::EnvFilter;

use super::value::{Value, choice};

choice! {
    /// What a line of the log looks like.
    pub enum LogFormat {
        /// One JSON object a line, for machines.
        Json = "json",
        /// For people.
        Pretty = "pretty",
    }
}

/// Valid filter directives: a level, or `target=level` separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for LogFilter {
    const KIND: &'static str = "log directives";

    fn parse(text: &str) -> Result<Self, String> {
        // A word alone is a target to the parser; here it is far more often a misspelt level.
        let bare_words_are_levels = text
            .split(',')
            .filter(|directive| !directive.contains(['=', ':', '[']))
            .all(|word| !word.is_empty() && word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok());
        if bare_words_are_levels && EnvFilter::try_new(text).is_ok() {
            Ok(Self(text.into()))
        } else {
            Err("must be off, error, warn, info, debug or trace, or directives such as info,librdkafka=warn".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_directives() {
        for text in ["info", "DEBUG", "off", "info,segmenter::kafka=debug,librdkafka=warn"] {
            assert!(LogFilter::parse(text).is_ok(), "{text}");
        }
        for text in ["", "loud", "segmenter=loud", "inf,segmenter=debug", "a=b=c", "warn, segmenter=trace"] {
            assert!(LogFilter::parse(text).is_err(), "{text}");
        }
    }
}
