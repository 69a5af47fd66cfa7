//! `segmenter migrate` as a deployment calls it: output and exit codes.

use clap::Parser;
use segmenter::cli::migrate::{self, MigrateArgs};
use segmenter::runtime::exit::Exit;
use segmenter::store::audit::Operator;

use super::database::{BEFORE, Database, PRISMA_BEFORE};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    migrate: MigrateArgs,
}

/// Parses and runs it; returns the exit code and the output.
async fn segmenter_migrate(arguments: &[&str], url: &str) -> (Exit, String) {
    let cli = Cli::try_parse_from([&["migrate"], arguments].concat()).unwrap_or_else(|error| panic!("{error}"));
    let mut out = Vec::new();
    let outcome = migrate::run(&cli.migrate, url, &Operator::here(None), &mut out).await.unwrap();
    (outcome, String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn run_then_info_then_revert_print_their_results() {
    let database = Database::shaped(BEFORE).await;
    let (outcome, out) = segmenter_migrate(&["run"], database.url()).await;
    assert_eq!(outcome, Exit::Ok);
    assert!(out.contains("done: apply 5 positions"), "{out}");

    let (outcome, out) = segmenter_migrate(&["info"], database.url()).await;
    assert_eq!(outcome, Exit::Ok);
    assert!(out.starts_with("schema: current: at migration 5\n"), "{out}");

    let (outcome, out) = segmenter_migrate(&["revert", "--all"], database.url()).await;
    assert_eq!(outcome, Exit::Ok);
    for expected in ["will be lost: 0 jobs", "will be lost: 0 profile states", "--execute"] {
        assert!(out.contains(expected), "{expected} in {out}");
    }
    let (_, out) = segmenter_migrate(&["info"], database.url()).await;
    assert!(out.starts_with("schema: current: at migration 5\n"), "nothing was reverted: {out}");

    let (outcome, _) = segmenter_migrate(&["revert", "--to", "0", "--execute"], database.url()).await;
    assert_eq!(outcome, Exit::Ok);
    let (_, out) = segmenter_migrate(&["info"], database.url()).await;
    assert!(out.starts_with("schema: missing"), "{out}");
}

#[tokio::test]
async fn a_refusal_is_exit_code_3_and_names_the_migration_to_deploy() {
    let database = Database::shaped(PRISMA_BEFORE).await;
    for arguments in [&["run"][..], &["run", "--dry-run"]] {
        let (outcome, out) = segmenter_migrate(arguments, database.url()).await;
        assert_eq!(outcome, Exit::Refused);
        assert!(out.contains("IA-002.1 add_user_segments") && out.contains("--add-columns"), "{out}");
    }
    let (outcome, _) = segmenter_migrate(&["run", "--add-columns"], database.url()).await;
    assert_eq!(outcome, Exit::Ok);
}

#[tokio::test]
async fn a_database_that_is_unavailable_is_exit_code_75() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgresql://postgres:secret@127.0.0.1:{unused}/any");
    let (outcome, out) = segmenter_migrate(&["info"], &url).await;
    assert_eq!(outcome, Exit::DependencyUnavailable);
    assert!(!out.contains("secret"), "{out}");
}

#[tokio::test]
async fn a_url_that_cannot_be_parsed_is_not_repeated() {
    let cli = Cli::try_parse_from(["migrate", "info"]).unwrap();
    let error = migrate::run(&cli.migrate, "postgresql://u:secret@[", &Operator::here(None), &mut Vec::new())
        .await
        .unwrap_err();
    assert!(!format!("{error:?}").contains("secret"));
}

#[test]
fn a_revert_to_a_version_and_of_all_at_once_is_a_usage_error() {
    assert!(Cli::try_parse_from(["migrate", "revert", "--to", "1", "--all"]).is_err());
    assert!(Cli::try_parse_from(["migrate", "revert", "--to", "-1"]).is_err());
    assert!(Cli::try_parse_from(["migrate"]).is_err());
}
