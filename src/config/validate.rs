//! The rules between settings; each setting's own rule is its type's and its range's.

use std::path::Path;

use super::sources::Reader;
use super::table::{
    BatchConfig, Config, InFlightConfig, KafkaConfig, LimitsConfig, LogConfig, RegistryConfig, TopicsConfig,
};

/// Holds a configuration, each of whose values is valid, to the rules between them.
pub(super) fn config(config: &Config, reader: &mut Reader<'_>) {
    clients(&config.kafka, &config.topics, reader);
    registry(&config.registry, reader);
    patience(&config.kafka, &config.batch, reader);
    if config.database.pooled && config.database.migrate {
        reader.refuse(
            "database.migrate",
            "must not be true beside database.pooled: migrations need a session of their own",
        );
    }
    if config.http.open && config.http.token.is_some() {
        reader.refuse("http.open", "must not be true beside http.token: the token would protect nothing");
    }
    if config.http.user_page && config.http.token.is_none() && !config.http.open {
        reader.refuse("http.user_page", "needs http.token or http.open: without them nobody may read about users");
    }
    room(&config.batch, &config.in_flight, &config.limits, reader);
    if let Some(path) = &config.catalog.file {
        readable("catalog.file", path, reader);
    }
}

/// The same for what a command needs that uses only Kafka.
pub(super) fn kafka((kafka, names, _): &(KafkaConfig, TopicsConfig, LogConfig), reader: &mut Reader<'_>) {
    clients(kafka, names, reader);
}

fn clients(kafka: &KafkaConfig, names: &TopicsConfig, reader: &mut Reader<'_>) {
    credentials(kafka, reader);
    encryption(kafka, reader);
    for (name, rule) in kafka.properties.problems() {
        reader.refuse_entry("kafka.properties", &name, rule);
    }
    topics(names, reader);
}

/// The same for what a command needs that asks only the registry.
pub(super) fn schemas(
    (registry_config, names, _): &(RegistryConfig, TopicsConfig, LogConfig),
    reader: &mut Reader<'_>,
) {
    registry(registry_config, reader);
    topics(names, reader);
}

fn registry(registry: &RegistryConfig, reader: &mut Reader<'_>) {
    let needs_url = [
        ("registry.username", registry.username.is_some()),
        ("registry.password", registry.password.is_some()),
        ("registry.ca", registry.ca.is_some()),
    ];
    if registry.url.is_none() {
        for (key, _) in needs_url.iter().filter(|(_, is_given)| *is_given) {
            reader.refuse(key, "needs registry.url");
        }
    }
    match (&registry.username, &registry.password) {
        (Some(_), None) => reader.refuse("registry.password", "must be set beside registry.username"),
        (None, Some(_)) => reader.refuse("registry.username", "must be set beside registry.password"),
        _ => {}
    }
    if let Some(path) = &registry.ca {
        if registry.url.as_ref().is_some_and(|url| !url.uses_tls()) {
            reader
                .refuse("registry.ca", "needs registry.url to begin with https://: connections are not encrypted now");
        }
        readable("registry.ca", path, reader);
    }
}

fn credentials(kafka: &KafkaConfig, reader: &mut Reader<'_>) {
    let given = [
        ("kafka.sasl_mechanism", kafka.sasl_mechanism.is_some()),
        ("kafka.sasl_username", kafka.sasl_username.is_some()),
        ("kafka.sasl_password", kafka.sasl_password.is_some()),
    ];
    let wanted = kafka.security_protocol.uses_sasl();
    for (key, is_given) in given {
        match (wanted, is_given) {
            (true, false) => {
                reader.refuse(key, "must be set where kafka.security_protocol is sasl_plaintext or sasl_ssl")
            }
            (false, true) => reader.refuse(key, "needs kafka.security_protocol to be sasl_plaintext or sasl_ssl"),
            _ => {}
        }
    }
}

fn encryption(kafka: &KafkaConfig, reader: &mut Reader<'_>) {
    let files = [
        ("kafka.ssl_ca", &kafka.ssl_ca),
        ("kafka.ssl_certificate", &kafka.ssl_certificate),
        ("kafka.ssl_key", &kafka.ssl_key),
    ];
    for (key, path) in files {
        let Some(path) = path else { continue };
        if !kafka.security_protocol.uses_tls() {
            reader
                .refuse(key, "needs kafka.security_protocol to be ssl or sasl_ssl: connections are not encrypted now");
        }
        readable(key, path, reader);
    }
    match (&kafka.ssl_certificate, &kafka.ssl_key) {
        (Some(_), None) => reader.refuse("kafka.ssl_key", "must be set beside kafka.ssl_certificate"),
        (None, Some(_)) => reader.refuse("kafka.ssl_certificate", "must be set beside kafka.ssl_key"),
        _ => {}
    }
    if kafka.ssl_key_password.is_some() && kafka.ssl_key.is_none() {
        reader.refuse("kafka.ssl_key_password", "needs kafka.ssl_key");
    }
}

fn patience(kafka: &KafkaConfig, batch: &BatchConfig, reader: &mut Reader<'_>) {
    if kafka.drain_deadline >= kafka.max_poll_interval {
        reader.refuse("kafka.drain_deadline", "must be less than kafka.max_poll_interval");
    }
    if kafka.session_timeout > kafka.max_poll_interval {
        reader.refuse("kafka.session_timeout", "must not be more than kafka.max_poll_interval");
    }
    if batch.max_wait >= kafka.max_poll_interval {
        reader.refuse("batch.max_wait", "must be less than kafka.max_poll_interval");
    }
}

fn topics(topics: &TopicsConfig, reader: &mut Reader<'_>) {
    let named = [
        ("topics.onboarding_completed", &topics.onboarding_completed),
        ("topics.profile_updated", &topics.profile_updated),
        ("topics.segment_changed", &topics.segment_changed),
        ("topics.dead_letter", &topics.dead_letter),
    ];
    for (index, (key, topic)) in named.iter().enumerate() {
        if let Some((first, _)) = named.iter().take(index).find(|(_, other)| other == topic) {
            // Where only one of the two was chosen, that one is to blame.
            let (blamed, other) =
                if !reader.is_chosen(key) && reader.is_chosen(first) { (first, key) } else { (key, first) };
            reader.refuse(blamed, format!("must not be the topic of {other}"));
        }
    }
}

/// One record must fit in a batch, and a batch in what may be in flight; else the process would stand still. Rejections held
/// back do not count as in flight.
fn room(batch: &BatchConfig, in_flight: &InFlightConfig, limits: &LimitsConfig, reader: &mut Reader<'_>) {
    if batch.max_bytes < limits.max_value_bytes {
        reader.refuse("batch.max_bytes", "must not be less than limits.max_value_bytes");
    }
    if in_flight.max_bytes < batch.max_bytes {
        reader.refuse("in_flight.max_bytes", "must not be less than batch.max_bytes");
    }
    if in_flight.max_records < batch.max_records {
        reader.refuse("in_flight.max_records", "must not be less than batch.max_records");
    }
    if limits.rejection_run_bytes < limits.max_value_bytes {
        reader.refuse("limits.rejection_run_bytes", "must not be less than limits.max_value_bytes");
    }
}

fn readable(key: &str, path: &Path, reader: &mut Reader<'_>) {
    if let Err(error) = std::fs::File::open(path) {
        reader.refuse(key, format!("cannot be read: {error}"));
    }
}
