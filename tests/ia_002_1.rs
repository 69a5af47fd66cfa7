//! `docs/ia-002-1.md`, which answers the platform's own manual: its blocks run in their order, on the platform's tables as they are
//! before IA-002.1.

use std::path::Path;

use sqlx::{Connection as _, PgConnection};

use crate::migrations::prisma;
use crate::scene::{DEADLINE, Scene};
use crate::support::{Finished, postgres, program};

const PAGE: &str = include_str!("../docs/ia-002-1.md");

/// The blocks of a section: the words after the fence, and the content.
fn blocks(section: &str) -> Vec<(&str, &str)> {
    let fenced = section.split("\n```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap()).collect()
}

/// The heading of each section with its blocks, without those that have none.
fn sections() -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    let split = PAGE.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap());
    split.map(|(heading, text)| (heading, blocks(text))).filter(|(_, blocks)| !blocks.is_empty()).collect()
}

async fn finish(scene: &Scene, path: &str, arguments: &[&str], input: &str) -> Finished {
    let folder = Path::new(env!("CARGO_BIN_EXE_segmenter")).parent().unwrap().display();
    let path_with_it = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let mut environment = scene.environment();
    environment.push(("PATH", &path_with_it));
    program(Path::new(path), arguments, &environment, input).finish(DEADLINE).await
}

/// Runs the commands of a block, and compares each exit code with the one in its comment, 0 by default.
async fn run_commands(scene: &Scene, block: &str) {
    for line in block.lines() {
        if line == "npx prisma migrate deploy" {
            prisma::deploy(&mut PgConnection::connect(scene.database.url()).await.unwrap()).await;
            continue;
        }
        let expected = line.split_once("# exit code ").map_or(0, |(_, code)| code.parse().unwrap());
        let finished = finish(scene, "bash", &["-euo", "pipefail", "-c", line], "").await;
        assert_eq!(finished.code, Some(expected), "{line}: {finished:?}");
    }
}

/// Runs a block in psql, to its end or to the error that the words after its fence promise.
async fn run_sql(scene: &Scene, words: &str, block: &str) {
    let options = ["--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", scene.database.url()];
    let finished = finish(scene, "psql", &options, block).await;
    match words.strip_prefix("sql fails ") {
        None => assert_eq!((words, finished.code), ("sql", Some(0)), "{block}: {finished:?}"),
        Some(code) => assert!(finished.code == Some(3) && finished.log.contains(code), "{block}: {finished:?}"),
    }
}

async fn value(scene: &Scene, sql: &'static str) -> Option<i64> {
    sqlx::query_scalar(sql).fetch_one(scene.database.pool()).await.unwrap()
}

const COLUMNS: &str =
    "select count(*) from information_schema.columns where table_schema = 'public' and table_name = 'user_vectors'
    and column_name in ('segments', 'primarySegment', 'segmentConfidence', 'lastSegmentUpdate')";
const SEGMENTED: &str = r#"select count("primarySegment") from user_vectors"#;

/// The number of segment columns after a section.
fn columns_after(heading: &str) -> i64 {
    match heading {
        "Rollback with Prisma" | "Rollback plan" => 0,
        _ => 4,
    }
}

#[tokio::test]
async fn every_block_of_the_page_runs_in_its_order_on_the_platforms_tables() {
    let mut scene = Scene::new(1).await;
    scene.database = postgres().upstream_before_ia().await;
    scene.add_profiles(12).await;
    scene
        .database
        .run(
            r#"insert into user_vectors (id, "userId", vector, source, "updatedAt")
               values ('learned', 'user-0', '[0.125]', 'behavior', now()), ('made', 'user-1', '[0]', 'onboarding', now())"#,
        )
        .await;
    let mut walked = Vec::new();
    for (heading, blocks) in sections() {
        for (words, block) in blocks {
            match words {
                "sh" => run_commands(&scene, block).await,
                _ => run_sql(&scene, words, block).await,
            }
        }
        assert_eq!(value(&scene, COLUMNS).await, Some(columns_after(heading)), "{heading}");
        if heading == "Data migration" {
            assert_eq!(value(&scene, SEGMENTED).await, Some(12));
            assert_eq!(scene.kafka.read_all(&scene.changes).await.len(), 12);
            let learned = r#"select count(*) from user_vectors where id = 'learned' and vector = '[0.125]'"#;
            assert_eq!(value(&scene, learned).await, Some(1), "a learned vector stays");
        }
        walked.push(heading);
    }
    let expected = [
        "Apply to production",
        "Rollback with Prisma",
        "Manual SQL",
        "Data migration",
        "Validation",
        "Testing",
        "Backward compatibility",
        "Rollback plan",
    ];
    assert_eq!(walked, expected);
    let left = "select count(*) from pg_namespace where nspname = 'segmenter'";
    assert_eq!(value(&scene, left).await, Some(0));
}
