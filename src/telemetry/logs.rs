//! Logs: one line an event on standard error, JSON or plain text.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::UtcTime;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogFormat;

/// The format where none is configured: plain text on a terminal, JSON elsewhere.
fn by_terminal() -> LogFormat {
    if std::io::stderr().is_terminal() { LogFormat::Pretty } else { LogFormat::Json }
}

/// Starts logging with the filter `directives`, such as `info,segmenter=debug`. Without a `format` the kind of standard
/// error decides.
///
/// # Errors
/// The directives cannot be parsed, or logging was started before.
pub fn init(directives: &str, format: Option<LogFormat>) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(directives)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(UtcTime::rfc_3339())
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format.unwrap_or_else(by_terminal) {
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
        LogFormat::Pretty => builder.finish().try_init()?,
    }
    log_panics();
    Ok(())
}

/// Logs the place of a panic, and its message if that is a constant: a formatted message may quote data.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message =
            panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("not shown, since it may quote data");
        tracing::error!(place, message, "the program panicked, which is a defect");
    }));
}
