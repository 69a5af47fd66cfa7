//! The topics, their ACLs and the number of replicas agree with the service's settings.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::tools::{list, named, of_kind, resources, text};

/// The overlays with Strimzi and KEDA.
const WITH_OPERATORS: [&str; 2] = ["staging", "prod"];

/// The topics by their names.
fn topics(resources: &[Value]) -> BTreeMap<&str, &Value> {
    of_kind(resources, "KafkaTopic").into_iter().map(|topic| (text(topic, "/spec/topicName"), &topic["spec"])).collect()
}

#[test]
fn segment_changed_keeps_the_newest_record_of_a_user_for_good_and_dead_letters_go_after_thirty_days() {
    for overlay in WITH_OPERATORS {
        let all = resources(overlay);
        let topics = topics(all);
        assert_eq!(topics.len(), 4);
        let changes = &topics["segment-changed"]["config"];
        assert_eq!((&changes["cleanup.policy"], &changes["retention.ms"]), (&json!("compact"), &json!(-1)));
        let dead_letters = &topics["segmenter-dead-letter"]["config"];
        assert_eq!(
            (&dead_letters["cleanup.policy"], &dead_letters["retention.ms"]),
            (&json!("delete"), &json!(2_592_000_000_i64))
        );
        for input in ["onboarding-completed", "profile-updated"] {
            assert_eq!(topics[input]["config"]["cleanup.policy"], "delete", "compacting an input loses events");
        }
        for (name, topic) in &topics {
            assert_eq!(topic["config"]["min.insync.replicas"], 2, "{name}");
            assert_eq!(topic["replicas"], 3, "{name}");
            assert_eq!(topic["config"]["unclean.leader.election.enable"], false, "{name}");
        }
        assert_eq!(topics["onboarding-completed"]["partitions"], topics["profile-updated"]["partitions"]);
    }
}

#[test]
fn no_more_replicas_are_wanted_than_a_topic_has_partitions() {
    for overlay in WITH_OPERATORS {
        let all = resources(overlay);
        let (topics, scaled) = (topics(all), named(all, "ScaledObject", "segmenter"));
        let most = scaled["spec"]["maxReplicaCount"].as_u64().unwrap();
        let triggers = list(scaled, "/spec/triggers");
        assert_eq!(triggers.len(), 2);
        for trigger in triggers {
            let about = &trigger["metadata"];
            let partitions = topics[text(about, "/topic")]["partitions"].as_u64().unwrap();
            assert!(most <= partitions, "{overlay}: {most} replicas for {partitions} partitions");
            assert_eq!(about["consumerGroup"], "segmenter");
            assert_eq!(about["allowIdleConsumers"], "false");
            let settings = &named(all, "ConfigMap", "segmenter-settings")["data"];
            assert_eq!(about["bootstrapServers"], settings["KAFKA_BROKERS"]);
        }
        let least = scaled["spec"]["minReplicaCount"].as_u64().unwrap();
        assert!(least >= 2 && least <= most);
        assert!(named(all, "Deployment", "segmenter")["spec"]["replicas"].is_null(), "two would set the replicas");
    }
}

#[test]
fn the_services_login_may_do_what_the_service_does_and_no_more() {
    let all = resources("prod");
    let user = named(all, "KafkaUser", "segmenter");
    let rights: BTreeSet<(&str, &str, &str)> = list(user, "/spec/authorization/acls")
        .iter()
        .flat_map(|acl| {
            let of = (text(acl, "/resource/type"), text(acl, "/resource/name"));
            list(acl, "/operations").iter().map(move |operation| (of.0, of.1, operation.as_str().unwrap()))
        })
        .collect();
    let wanted = [
        ("topic", "onboarding-completed", "Read"),
        ("topic", "profile-updated", "Read"),
        ("topic", "segment-changed", "Read"),
        ("topic", "segment-changed", "Write"),
        ("topic", "segmenter-dead-letter", "Write"),
        ("group", "segmenter", "Read"),
    ];
    let mut expected = BTreeSet::from([
        ("topic", "onboarding-completed", "DescribeConfigs"),
        ("topic", "profile-updated", "DescribeConfigs"),
    ]);
    for (kind, name, operation) in wanted {
        expected.extend([(kind, name, operation), (kind, name, "Describe")]);
    }
    assert_eq!(rights, expected);
}
