//! The program: parses its arguments, starts logging, runs one command, ends with its exit code.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, CommandFactory, Parser, Subcommand};
use segmenter::cli;
use segmenter::cli::catalog::{CatalogAction, CatalogCommand};
use segmenter::cli::check_events::{self, CheckEventsArgs};
use segmenter::cli::completions::{self, CompletionsArgs};
use segmenter::cli::config::ConfigCommand;
use segmenter::cli::dlq::{self, Action, DlqArgs};
use segmenter::cli::doctor::DoctorArgs;
use segmenter::cli::explain::{self, ExplainArgs};
use segmenter::cli::health::HealthArgs;
use segmenter::cli::job::{self, JobCommand, StartJob};
use segmenter::cli::migrate::MigrateArgs;
use segmenter::cli::positions::{PositionsAction, PositionsArgs};
use segmenter::cli::schema::{self, SchemaAction, SchemaCommand};
use segmenter::cli::serve::ServeArgs;
use segmenter::cli::user::{UserAction, UserCommand};
use segmenter::cli::verify::{self, Scope, VerifyArgs};
use segmenter::config::{
    CatalogConfig, Config, DatabaseConfig, HttpConfig, JobsConfig, KafkaConfig, LogConfig, RegistryConfig, Resolved,
    Section, SettingFlags, Sources, TopicsConfig,
};
use segmenter::domain::scoring::Catalog;
use segmenter::runtime::exit::Exit;
use segmenter::runtime::wall_clock::now;
use segmenter::telemetry::logs;
use segmenter::telemetry::traces;

/// Computes travellers' segments from Kafka events, stores and publishes them.
///
/// Exit codes: 0 ok; 1 failure; 2 usage or configuration; 3 refused: a precondition does not hold; 4 done, with
/// findings; 5 poison flood: too many consecutive rejected records; 75 a dependency is unavailable; 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "segmenter", version = env!("SEGMENTER_VERSION"), arg_required_else_help = true, help_template = HELP)]
#[command(disable_help_subcommand = true, disable_version_flag = true)]
struct Cli {
    /// Print version
    #[arg(short = 'V', long, action = ArgAction::Version, hide_short_help = true)]
    version: Option<bool>,
    /// The configuration file [env: SEGMENTER_CONFIG]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Your name, recorded with acts such as user erase [env: SEGMENTER_OPERATOR]
    #[arg(long, value_name = "NAME", global = true, hide_short_help = true)]
    operator: Option<String>,
    #[command(subcommand)]
    command: Command,
}

/// Without clap's empty lines the list of commands fits on one screen.
const HELP: &str = "{about}\n{usage-heading} {usage}\n{options}\nCommands:\n{subcommands}";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(ServeArgs),
    Migrate(MigrateArgs),
    Config(ConfigCommand),
    Explain(ExplainArgs),
    Catalog(CatalogCommand),
    CheckEvents(CheckEventsArgs),
    Verify(VerifyArgs),
    User(UserCommand),
    Doctor(DoctorArgs),
    Health(HealthArgs),
    Positions(PositionsArgs),
    Schema(SchemaCommand),
    Dlq(DlqArgs),
    #[command(flatten)]
    StartJob(StartJob),
    Job(JobCommand),
    Completions(CompletionsArgs),
}

/// Records are allocated on one thread and freed on others; the system's allocator is slow at that.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // In a test build the variable FAILPOINTS names the points to pause at; other builds have none.
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            let (text, exit) = if error.is::<Unusable>() || error.is::<traces::Unusable>() {
                (error.to_string(), Exit::Usage)
            } else {
                (format!("segmenter: {error:#}"), cli::exit_of(&error))
            };
            // If standard error is closed, the exit code alone reports the failure.
            let _ = writeln!(io::stderr(), "{text}");
            exit.into()
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let flags = match &cli.command {
        Command::Serve(args) => args.settings.clone(),
        _ => SettingFlags::default(),
    };
    let flags = match cli.operator {
        Some(name) => flags.with("jobs.operator", name),
        None => flags,
    };
    let resolved = Sources::of_process(cli.config, flags).resolve();
    match cli.command {
        Command::Serve(_) => {
            let config = configured(&resolved)?;
            Ok(block_on(cli::serve::run(config, resolved.shown_settings()))?.into())
        }
        Command::Migrate(args) => {
            let (database, jobs): (DatabaseConfig, JobsConfig) = configured(&resolved)?;
            let (operator, mut out) = (cli::settings::operator(&jobs), io::stdout());
            let run = cli::migrate::run(&args, database.url.expose(), &operator, &mut out);
            Ok(block_on(run)?.into())
        }
        Command::Config(args) => {
            Ok(cli::config::run(&args, &resolved, &mut io::stdout().lock(), &mut io::stderr().lock())?.into())
        }
        Command::Doctor(args) => {
            let config: Config = resolved.config().map_err(|problems| Unusable(problems.to_string()))?;
            Ok(block_on(cli::doctor::run(&args, &config, &mut io::stdout()))?.into())
        }
        Command::Health(args) => {
            let http: HttpConfig = configured(&resolved)?;
            Ok(block_on(cli::health::run(&args, &http, &mut io::stdout()))?.into())
        }
        Command::Positions(args) => positions(&args, &resolved),
        Command::Schema(command) => schemas(&command.action, &resolved),
        Command::Dlq(args) => dead_letters(&args, &resolved),
        Command::StartJob(job) => {
            let config = configured(&resolved)?;
            Ok(block_on(job::start(&job, &config, &mut io::stdout()))?.into())
        }
        Command::Job(command) => {
            let config = configured(&resolved)?;
            Ok(block_on(job::manage(&command, &config, &mut io::stdout()))?.into())
        }
        Command::Explain(args) => explain(&args),
        Command::Catalog(command) => catalog(&command.action, &resolved),
        Command::Verify(args) => verify(&args, &resolved),
        Command::User(command) => user(&command, &resolved),
        Command::Completions(args) => Ok(completions::run(&args, Cli::command(), &mut io::stdout().lock())?.into()),
        Command::CheckEvents(args) => {
            Ok(check_events::run(&args, io::stdin().lock(), io::stdout().lock(), now())?.into())
        }
    }
}

fn schemas(action: &SchemaAction, resolved: &Resolved) -> anyhow::Result<ExitCode> {
    let (registry, topics): (RegistryConfig, TopicsConfig) = configured(resolved)?;
    Ok(block_on(schema::run(action, &registry, &topics, &mut io::stdout()))?.into())
}

fn dead_letters(args: &DlqArgs, resolved: &Resolved) -> anyhow::Result<ExitCode> {
    if let Action::Redrive(redrive) = &args.action {
        let config = configured(resolved)?;
        return Ok(block_on(dlq::redrive(redrive, &config, now(), &mut io::stdout()))?.into());
    }
    let (kafka, topics): (KafkaConfig, TopicsConfig) = configured(resolved)?;
    Ok(dlq::look(&args.action, &kafka, &topics, now(), &mut io::stdout().lock())?.into())
}

fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let catalog = Catalog::builtin()?;
    let mut out = io::stdout().lock();
    if let Some(file) = &args.profile.file {
        return Ok(explain::explain_file(file, &catalog, now(), args.json, &mut out)?.into());
    }
    let summary = explain::explain_jsonl(io::stdin().lock(), out, &catalog, now())?;
    Ok(if summary.refused == 0 { Exit::Ok } else { Exit::Findings }.into())
}

fn catalog(action: &CatalogAction, resolved: &Resolved) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    let exit = match action {
        CatalogAction::Show(args) => cli::catalog::show(args, &configured(resolved)?, &mut out),
        CatalogAction::Check(args) => cli::catalog::check(args, &configured(resolved)?, &mut out),
        CatalogAction::Diff(args) => cli::catalog::diff(args, &configured(resolved)?, &mut out),
        CatalogAction::Simulate(args) => {
            let (database, catalog): (DatabaseConfig, CatalogConfig) = configured(resolved)?;
            block_on(cli::catalog::simulate(args, &database, &catalog, &mut out))
        }
    };
    Ok(exit?.into())
}

fn verify(args: &VerifyArgs, resolved: &Resolved) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    if args.needs_kafka() {
        let config = configured(resolved)?;
        return Ok(block_on(verify::run(args, Scope::Topic(&config), &mut out))?.into());
    }
    let (database, catalog): (DatabaseConfig, CatalogConfig) = configured(resolved)?;
    Ok(block_on(verify::run(args, Scope::Database(&database, &catalog), &mut out))?.into())
}

fn user(command: &UserCommand, resolved: &Resolved) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    match &command.action {
        UserAction::Show(args) => {
            let database: DatabaseConfig = configured(resolved)?;
            Ok(block_on(cli::user::show(args, &database, &mut out))?.into())
        }
        UserAction::Explain(args) => {
            let (database, catalog): (DatabaseConfig, CatalogConfig) = configured(resolved)?;
            Ok(block_on(cli::user::explain(args, &database, &catalog, &mut out))?.into())
        }
        UserAction::Erase(args) => {
            let config = configured(resolved)?;
            Ok(block_on(cli::user::erase(args, &config, &mut out))?.into())
        }
    }
}

fn positions(args: &PositionsArgs, resolved: &Resolved) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    if let Some(PositionsAction::Forget(forget)) = &args.action {
        let (database, jobs): (DatabaseConfig, JobsConfig) = configured(resolved)?;
        return Ok(block_on(cli::positions::forget(forget, &database, &jobs, &mut out))?.into());
    }
    let config: Config = configured(resolved)?;
    Ok(block_on(cli::positions::show(args, &config, &mut out))?.into())
}

/// Arguments or settings that cannot be used; the text lists every problem.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unusable(String);

/// Reads the part of the configuration that a command needs, and starts logging.
fn configured<T: Section>(resolved: &Resolved) -> anyhow::Result<T> {
    let (config, log): (T, LogConfig) = resolved.read().map_err(|problems| Unusable(problems.to_string()))?;
    logs::init(log.filter.as_str(), log.format)?;
    Ok(config)
}

/// Runs a command, then waits up to a deadline for blocking calls that it has given up, such as the look-up of a name.
fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(command);
    runtime.shutdown_timeout(Duration::from_secs(5));
    done
}
