//! OpenTelemetry's standard variables, checked before use: its library silently takes the default for a value that it cannot
//! read (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).

use std::str::FromStr;
use std::time::Duration;

use reqwest::Certificate;
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use super::Unusable;

/// The settings that the library does not read from the variables itself.
#[derive(Debug)]
pub(super) struct Settings {
    /// The most spans in the queue.
    pub room: usize,
    /// The deadline of a request.
    pub timeout: Duration,
    /// The authorities that are trusted instead of the system's.
    pub authorities: Option<Vec<Certificate>>,
}

/// The defaults of [`Settings::room`] and [`Settings::timeout`].
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

/// The settings; `None` where the variables do not enable traces.
///
/// # Errors
/// Every variable that cannot be used.
pub(super) fn read() -> Result<Option<Settings>, Unusable> {
    read_from(&variable)
}

/// A variable of the environment; an empty one counts as absent.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn read_from(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Settings>, Unusable> {
    let mut reading = Reading { variable, problems: Vec::new() };
    let has_endpoint = reading.otlp("ENDPOINT").is_some();
    let is_disabled = reading.word("OTEL_SDK_DISABLED", &["true", "false"]).is_some_and(|word| word == "true");
    let has_no_exporter = reading.word("OTEL_TRACES_EXPORTER", &["otlp", "none"]).is_some_and(|word| word == "none");
    if !has_endpoint || is_disabled || has_no_exporter {
        return Ok(None);
    }
    let settings = reading.settings();
    if reading.problems.is_empty() { Ok(Some(settings)) } else { Err(Unusable(reading.problems)) }
}

/// Reads variables and collects the problems. No problem repeats a value: some are secrets.
struct Reading<'v> {
    variable: &'v dyn Fn(&str) -> Option<String>,
    problems: Vec<String>,
}

impl Reading<'_> {
    fn settings(&mut self) -> Settings {
        let rules: [(&str, Rule, &str); 4] = [
            ("ENDPOINT", is_url, "must be a URL such as http://otel-collector:4318"),
            (
                "PROTOCOL",
                |text| text == "http/protobuf",
                "only http/protobuf is supported (collectors accept it on port 4318)",
            ),
            ("COMPRESSION", |text| text.eq_ignore_ascii_case("none"), "must be none: compression is not supported"),
            ("HEADERS", are_headers, "must be name=value, separated by commas"),
        ];
        for (of, is_valid, rule) in rules {
            if let Some((name, _)) = self.otlp(of).filter(|(_, text)| !is_valid(text)) {
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
        Settings { room, timeout: Duration::from_millis(timeout), authorities: self.authorities() }
    }

    /// The name and the value of a variable of the exporter; the one for traces wins.
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

/// Whether a value is valid.
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

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, Unusable> {
        read_from(&|wanted| variables.iter().find(|(name, _)| *name == wanted).map(|(_, text)| (*text).to_owned()))
    }

    #[test]
    fn an_endpoint_enables_traces_and_other_variables_disable_them() {
        assert!(read(&[]).unwrap().is_none());
        let settings = read(&[ENDPOINT]).unwrap().unwrap();
        assert_eq!((settings.room, settings.timeout), (2048, Duration::from_secs(10)));
        assert!(read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap().is_none());
        assert!(read(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]).unwrap().is_none());
        // Without an endpoint the other variables are not checked.
        assert!(read(&[("OTEL_BSP_MAX_QUEUE_SIZE", "many")]).unwrap().is_none());
    }

    #[test]
    fn valid_variables_are_used() {
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
        let settings = read(&variables).unwrap().unwrap();
        assert_eq!((settings.room, settings.timeout), (64, Duration::from_millis(2500)));
    }

    #[test]
    fn each_unusable_variable_is_named_once_and_no_value_is_repeated() {
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
