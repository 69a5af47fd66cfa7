//! `segmenter dlq`: the dead letters, looked at and given another try.

mod list;
mod redrive;
mod show;
mod summary;
mod text;

use std::io::Write;

use clap::{Args, Subcommand};

use crate::config::{Config, KafkaConfig, Moment, TopicsConfig};
use crate::dlq::filter::Filter;
use crate::event::{Millis, Reason};
use crate::exit::Exit;
use crate::kafka::topic_reader::{ReadError, Source};
use crate::stop::Stop;

/// Look at the dead letters, or give them another try.
///
/// Every record that could not be applied lies in the dead-letter topic with its original bytes. After a crash, or after a
/// try that failed again, there are several dead letters of one record: they count once, at the newest. About 100 bytes
/// of memory are needed for each record that has dead letters.
#[derive(Debug, Args)]
pub struct DlqArgs {
    #[command(subcommand)]
    pub action: Action,
}

#[derive(Debug, Subcommand)]
pub enum Action {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Redrive(redrive::RedriveArgs),
}

/// Which dead letters.
#[derive(Debug, Args)]
struct FilterArgs {
    /// Only those with this reason; may be given several times.
    #[arg(long = "reason", value_name = "CODE", value_parser = parse_reason)]
    reasons: Vec<Reason>,
    /// Only those that failed at this time or later: RFC 3339, or so long ago as in -2h or PT2H.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse, allow_hyphen_values = true)]
    from: Option<Moment>,
    /// Only those that failed before this time.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse, allow_hyphen_values = true)]
    to: Option<Moment>,
    /// Only those of records of this topic.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only those whose key is this user's id.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
}

impl FilterArgs {
    fn filter(&self, now: Millis) -> Filter {
        Filter {
            reasons: self.reasons.clone(),
            from: self.from.map(|from| from.at(now)),
            to: self.to.map(|to| to.at(now)),
            topic: self.topic.clone(),
            user: self.user.clone(),
        }
    }
}

fn parse_reason(text: &str) -> Result<Reason, String> {
    Reason::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or_else(|| {
        let known = Reason::ALL.map(Reason::as_str).join(", ");
        format!("must be one of {known}")
    })
}

/// Runs `list` or `show`, which need only Kafka. Their calls block.
///
/// # Errors
/// `out` cannot be written to. What Kafka says is an [`Exit`].
pub fn look(
    action: &Action,
    kafka: &KafkaConfig,
    topics: &TopicsConfig,
    now: Millis,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let source = source(kafka, topics, Stop::default());
    let looked = match action {
        Action::List(args) => list::run(args, &source, now, out),
        Action::Show(args) => show::run(args, &source, out),
        Action::Redrive(_) => anyhow::bail!("redrive needs the database"),
    };
    match looked {
        Ok(exit) => Ok(exit),
        Err(error) => match error.downcast::<ReadError>() {
            Ok(error) => {
                writeln!(std::io::stderr(), "segmenter: {error}")?;
                Ok(exit_of(&error))
            }
            Err(error) => Err(error),
        },
    }
}

/// Runs `redrive`.
///
/// # Errors
/// `out` cannot be written to, or the catalog not be read. What Kafka and PostgreSQL say is an [`Exit`].
pub async fn redrive(
    args: &redrive::RedriveArgs,
    config: &Config,
    now: Millis,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    redrive::run(args, config, now, out).await
}

fn source(kafka: &KafkaConfig, topics: &TopicsConfig, stop: Stop) -> Source {
    Source {
        cluster: super::settings::cluster(kafka),
        group: kafka.group_id.as_str().to_owned(),
        topic: topics.dead_letter.as_str().to_owned(),
        stop,
    }
}

fn exit_of(error: &ReadError) -> Exit {
    match error {
        ReadError::Away(_) => Exit::DependencyAway,
        ReadError::Missing(_) => Exit::Refused,
        ReadError::Interrupted => Exit::Interrupted,
        ReadError::Failed { .. } | ReadError::Undecodable { .. } => Exit::Failure,
    }
}
