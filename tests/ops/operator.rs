//! The operator's Kafka login and database role, as the manifests and docs/ give them, suffice for every job of the manifests and
//! for the commands of the toolbox.

use serde_json::{Value, json};

use super::roles::Login;
use super::setting_names::environment;
use super::tools::{list, named, of_kind, printed, resources, template, text};
use crate::docs_sql::{GRANTS, GRANTS_FOR_JOBS};
use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Listener, SecuredKafka, certificates, secured_kafka, segmenter, source};

/// The names of the manifests, and the prefixes of a scene's.
const NAMES: [(&str, &str); 5] = [
    ("onboarding-completed", "onboarding"),
    ("profile-updated", "updates"),
    ("segment-changed", "changes"),
    ("segmenter-dead-letter", "dead"),
    ("segmenter", "group"),
];

/// Grants the operator the ACLs of the KafkaUser in the manifests.
fn grant(brokers: &str) {
    const SCRIPT: &str = r#"
import json, sys
from kafka.admin import KafkaAdminClient, ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType, ACLResourcePatternType
acls = [ACL("User:segmenter-operator", "*", ACLOperation[operation], ACLPermissionType.ALLOW,
            ResourcePattern(ResourceType[kind], name, ACLResourcePatternType.PREFIXED))
        for kind, name, operation in json.load(sys.stdin)]
result = KafkaAdminClient(bootstrap_servers=sys.argv[1]).create_acls(acls)
sys.exit(1 if result["failed"] else 0)
"#;
    let user = named(resources("prod"), "KafkaUser", "segmenter-operator");
    let acls: Vec<Value> = list(user, "/spec/authorization/acls")
        .iter()
        .flat_map(|acl| {
            let name = NAMES.iter().find(|(name, _)| *name == text(acl, "/resource/name")).unwrap().1;
            let kind = text(acl, "/resource/type").to_uppercase();
            let operations = list(acl, "/operations").iter().map(|operation| match operation.as_str().unwrap() {
                "DescribeConfigs" => "DESCRIBE_CONFIGS".to_owned(),
                other => other.to_uppercase(),
            });
            operations.map(|operation| json!([kind, name, operation])).collect::<Vec<_>>()
        })
        .collect();
    let mut python = std::process::Command::new("python3");
    python.args(["-c", SCRIPT, brokers]).env("PYTHONPATH", source("target/python"));
    printed(&mut python, &Value::from(acls).to_string());
}

/// The command of a job of the manifests, with its parameters and the id of a new run.
fn command(job: &Value) -> Vec<String> {
    let container = &template(job)["spec"]["containers"][0];
    let mut variables = environment(resources("prod"), container);
    if variables.contains_key("JOB_ID") {
        variables.insert("JOB_ID".to_owned(), uuid::Uuid::new_v4().to_string());
    }
    let word = |word: &Value| {
        let word = word.as_str().unwrap().to_owned();
        variables.iter().fold(word, |word, (name, value)| word.replace(&format!("$({name})"), value))
    };
    list(container, "/args").iter().map(word).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_login_and_role_run_every_job_of_the_manifests_and_the_commands_of_the_toolbox() {
    let secured = tokio::task::spawn_blocking(secured_kafka).await.unwrap();
    tokio::task::spawn_blocking(|| grant(secured.kafka.brokers())).await.unwrap();
    let scene = Scene::on(&secured.kafka, 1).await;
    scene.add_users(4).await;
    scene.produce(&history(8, 60, 91)).await;
    let live = scene.serve();
    scene.settled().await;
    assert!(!scene.dead_letters().await.is_empty());
    let late = ["user-4", "user-5", "user-6", "user-7"];
    scene.database.add_users(late).await;

    let login = Login::create(&scene.database, &[GRANTS, GRANTS_FOR_JOBS]).await;
    let (brokers, authority) = (secured.brokers(Listener::SaslSsl), certificates().ours.ca.display().to_string());
    let mut environment = scene.environment();
    environment.extend([
        ("KAFKA_BROKERS", brokers.as_str()),
        ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
        ("KAFKA_SSL_CA", &authority),
        ("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"),
        ("KAFKA_SASL_USERNAME", "segmenter-operator"),
        ("KAFKA_SASL_PASSWORD", SecuredKafka::PASSWORD),
        ("DATABASE_URL", &login.url),
    ]);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let mut commands: Vec<Vec<String>> = of_kind(resources("prod"), "CronJob").into_iter().map(command).collect();
    // The dead letters are redriven before the check that nothing is wrong.
    commands.sort_by_key(|command| command[0] == "verify");
    commands.extend([
        words(&["positions"]),
        words(&["dlq", "list"]),
        words(&["job", "list"]),
        words(&["job", "history"]),
        words(&["user", "show", "user-1"]),
        words(&["republish", "--all", "--execute"]),
        words(&["user", "erase", "user-1", "--to-topics", "--execute"]),
    ]);
    for command in commands {
        let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        let finished = segmenter(&arguments, &environment).finish(DEADLINE).await;
        assert_eq!(finished.code, Some(0), "{command:?}: {finished:?}");
    }
    let doctor = segmenter(&["doctor"], &environment).finish(DEADLINE).await;
    assert!(!doctor.stdout.contains("not allowed") && !doctor.stdout.contains("42501"), "{doctor:?}");
    live.terminate();
    login.drop(&scene.database).await;
}
