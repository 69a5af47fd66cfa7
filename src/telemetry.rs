//! Logging: one line an event on standard error, as JSON for machines or plain for people.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::UtcTime;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Pretty,
}

impl LogFormat {
    /// Plain on a terminal, JSON elsewhere.
    pub fn by_terminal() -> Self {
        if std::io::stderr().is_terminal() { Self::Pretty } else { Self::Json }
    }
}

/// Starts logging what `directives` (as in `info,segmenter=debug`) let through.
///
/// # Errors
/// The directives cannot be read, or logging was started before.
pub fn init(directives: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(directives)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(UtcTime::rfc_3339())
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
        LogFormat::Pretty => builder.finish().try_init()?,
    }
    log_panics();
    Ok(())
}

/// A panic is a defect: it is logged like everything else, without its payload's arguments being lost on a terminal.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, message, "a panic, which is a defect of this program");
    }));
}
