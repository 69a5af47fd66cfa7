//! OpenTelemetry's standard variables, checked before they are used: its library takes a default, silently, for what it
//! cannot read (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).

use std::str::FromStr;
use std::time::Duration;

use reqwest::Certificate;
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use super::Unusable;

/// What the variables say that the library does not read from them by itself.
#[derive(Debug)]
pub(super) struct Asked {
    /// How many spans may wait.
    pub room: usize,
    /// How long a request may take.
    pub timeout: Duration,
    /// The authorities that are trusted in the place of the system's.
    pub authorities: Option<Vec<Certificate>>,
}

/// How many spans may wait, and how long a request may take, where the variables do not say.
const ROOM: usize = 2048;
const TIMEOUT_MS: u64 = 10_000;

const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// What is asked for; `None` where the variables do not ask for traces.
///
/// # Errors
/// Every variable that cannot be used.
pub(super) fn read() -> Result<Option<Asked>, Unusable> {
    read_from(&variable)
}

/// A variable of the environment; an empty one is as good as none.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn read_from(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Asked>, Unusable> {
    let mut reading = Reading { variable, problems: Vec::new() };
    let has_endpoint = reading.otlp("ENDPOINT").is_some();
    let is_disabled = reading.word("OTEL_SDK_DISABLED", &["true", "false"]).is_some_and(|word| word == "true");
    let is_for_nobody = reading.word("OTEL_TRACES_EXPORTER", &["otlp", "none"]).is_some_and(|word| word == "none");
    if !has_endpoint || is_disabled || is_for_nobody {
        return Ok(None);
    }
    let asked = reading.asked();
    if reading.problems.is_empty() { Ok(Some(asked)) } else { Err(Unusable(reading.problems)) }
}

/// Reads variables, and collects what is wrong with them. No value is repeated: some are secrets.
struct Reading<'v> {
    variable: &'v dyn Fn(&str) -> Option<String>,
    problems: Vec<String>,
}

impl Reading<'_> {
    fn asked(&mut self) -> Asked {
        let rules: [(&str, Rule, &str); 4] = [
            ("ENDPOINT", is_url, "must be a URL such as http://otel-collector:4318"),
            (
                "PROTOCOL",
                |text| text == "http/protobuf",
                "only http/protobuf is spoken (a collector takes it on port 4318)",
            ),
            ("COMPRESSION", |text| text.eq_ignore_ascii_case("none"), "nothing is compressed here; must be none"),
            ("HEADERS", are_headers, "must be name=value, separated by commas"),
        ];
        for (of, is_kept, rule) in rules {
            if let Some((name, _)) = self.otlp(of).filter(|(_, text)| !is_kept(text)) {
                self.wrong(&name, rule);
            }
        }
        let timeout = match self.otlp("TIMEOUT") {
            Some((name, text)) => self.number(&name, &text).unwrap_or(TIMEOUT_MS),
            None => TIMEOUT_MS,
        };
        for name in ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT"] {
            if let Some(text) = (self.variable)(name) {
                self.number::<usize>(name, &text);
            }
        }
        let room = (self.variable)("OTEL_BSP_MAX_QUEUE_SIZE");
        let room = room.and_then(|text| self.number("OTEL_BSP_MAX_QUEUE_SIZE", &text)).unwrap_or(ROOM);
        self.check_sampler();
        Asked { room, timeout: Duration::from_millis(timeout), authorities: self.authorities() }
    }

    /// A variable of the exporter: the one for traces wins. Gives its name too.
    fn otlp(&self, of: &str) -> Option<(String, String)> {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"].map(|prefix| format!("{prefix}{of}"));
        names.into_iter().find_map(|name| (self.variable)(&name).map(|text| (name, text)))
    }

    fn wrong(&mut self, name: &str, rule: &str) {
        self.problems.push(format!("{name}: {rule}"));
    }

    /// A positive whole number.
    fn number<N: FromStr + Default + PartialEq>(&mut self, name: &str, text: &str) -> Option<N> {
        let number = text.parse().ok().filter(|number| *number != N::default());
        if number.is_none() {
            self.wrong(name, "must be a whole number above 0");
        }
        number
    }

    /// One of some words, in lower case.
    fn word(&mut self, name: &str, words: &[&str]) -> Option<String> {
        let word = (self.variable)(name)?.to_ascii_lowercase();
        if !words.contains(&word.as_str()) {
            self.wrong(name, &format!("must be one of {}", words.join(", ")));
        }
        Some(word)
    }

    fn check_sampler(&mut self) {
        let sampler = self.word("OTEL_TRACES_SAMPLER", &SAMPLERS).unwrap_or_default();
        if sampler.ends_with("traceidratio")
            && let Some(text) = (self.variable)("OTEL_TRACES_SAMPLER_ARG")
            && !text.parse::<f64>().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio))
        {
            self.wrong("OTEL_TRACES_SAMPLER_ARG", "must be a number from 0 to 1");
        }
    }

    fn authorities(&mut self) -> Option<Vec<Certificate>> {
        let (name, path) = self.otlp("CERTIFICATE")?;
        let read = std::fs::read(&path).map_err(|error| error.to_string());
        let parsed = read.and_then(|pem| Certificate::from_pem_bundle(&pem).map_err(|error| error.to_string()));
        match parsed {
            Ok(authorities) if !authorities.is_empty() => return Some(authorities),
            Ok(_) => self.wrong(&name, "the file holds no certificate in PEM"),
            Err(error) => self.wrong(&name, &format!("the file cannot be used: {error}")),
        }
        None
    }
}

/// Whether a text keeps it.
type Rule = fn(&str) -> bool;

fn is_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn are_headers(text: &str) -> bool {
    text.split_terminator(',').all(|pair| {
        pair.split_once('=').is_some_and(|(name, value)| {
            HeaderName::from_str(name.trim()).is_ok() && HeaderValue::from_str(value.trim()).is_ok()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    fn read(variables: &[(&str, &str)]) -> Result<Option<Asked>, Unusable> {
        read_from(&|wanted| variables.iter().find(|(name, _)| *name == wanted).map(|(_, text)| (*text).to_owned()))
    }

    #[test]
    fn traces_are_asked_for_by_an_endpoint_alone_and_may_be_switched_off() {
        assert!(read(&[]).unwrap().is_none());
        let asked = read(&[ENDPOINT]).unwrap().unwrap();
        assert_eq!((asked.room, asked.timeout), (2048, Duration::from_secs(10)));
        assert!(read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap().is_none());
        assert!(read(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]).unwrap().is_none());
        // What is not asked for may be anything.
        assert!(read(&[("OTEL_BSP_MAX_QUEUE_SIZE", "many")]).unwrap().is_none());
    }

    #[test]
    fn what_is_right_is_taken() {
        let variables = [
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer a=b, x-scope = one"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
        ];
        let asked = read(&variables).unwrap().unwrap();
        assert_eq!((asked.room, asked.timeout), (64, Duration::from_millis(2500)));
    }

    #[test]
    fn everything_that_is_wrong_is_named_once_and_no_value_is_repeated() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "hush:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc-hush"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip-hush"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization hush"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s-hush"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no-such-hush"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_BSP_SCHEDULE_DELAY", "hush"),
            ("OTEL_TRACES_SAMPLER", "hush"),
            ("OTEL_TRACES_EXPORTER", "hush"),
        ];
        let shown = read(&variables).unwrap_err().to_string();
        for (name, _) in variables {
            assert_eq!(shown.matches(&format!("{name}: ")).count(), 1, "{name} in {shown}");
        }
        assert!(!shown.contains("hush"), "{shown}");
        let ratio = [ENDPOINT, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")];
        assert!(read(&ratio).unwrap_err().to_string().contains("OTEL_TRACES_SAMPLER_ARG: "));
    }
}
