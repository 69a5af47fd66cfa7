//! Configuration: layers, everything wrong at once, and no secret anywhere.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::{Args, FromArgMatches};
use segmenter::config::{Config, DatabaseConfig, OutOfRange, Problems, Resolved, SettingFlags, Sources};

/// A secret that must never be shown.
const SECRET: &str = "hush-hush";

/// A directory that is removed with the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("segmenter-config-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The layers of a process: the required settings, and these.
fn sources(file: Option<&Path>, env: &[(&str, &str)], flags: &[&str]) -> Sources {
    let required = [("KAFKA_BROKERS", "kafka:9092"), ("DATABASE_URL", "postgres://u:hush-hush@db/segments")];
    let env = required.iter().filter(|(name, _)| !env.iter().any(|(other, _)| other.starts_with(name))).chain(env);
    let command = SettingFlags::augment_args(clap::Command::new("segmenter").no_binary_name(true));
    let args = SettingFlags::from_arg_matches(&command.try_get_matches_from(flags).unwrap()).unwrap();
    Sources {
        file: file.map(Path::to_owned),
        env: env.map(|(name, value)| (OsString::from(name), OsString::from(value))).collect(),
        flags: args,
    }
}

fn config(file: Option<&Path>, env: &[(&str, &str)], flags: &[&str]) -> Config {
    sources(file, env, flags).resolve().config().unwrap_or_else(|problems| panic!("{problems}"))
}

fn problems(file: Option<&Path>, env: &[(&str, &str)], flags: &[&str]) -> Problems {
    sources(file, env, flags).resolve().config().expect_err("the configuration is wrong")
}

fn keys(problems: &Problems) -> Vec<&str> {
    problems.iter().map(|problem| problem.key.as_str()).collect()
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let directory = Directory::new();
    let file = directory.write("all.toml", "[batch]\nmax_records = 1\n");
    let env = [("SEGMENTER_BATCH_MAX_RECORDS", "2")];
    assert_eq!(config(None, &[], &[]).batch.max_records, 500);
    assert_eq!(config(Some(&file), &[], &[]).batch.max_records, 1);
    assert_eq!(config(Some(&file), &env, &[]).batch.max_records, 2);
    assert_eq!(config(Some(&file), &env, &["--batch-max-records", "3"]).batch.max_records, 3);
}

#[test]
fn the_file_may_be_named_by_the_environment_and_an_empty_variable_is_not_set() {
    let directory = Directory::new();
    let file = directory.write("all.toml", "kafka.out_of_range = 'latest'\nkafka.brokers = ['a:1', 'b:2']");
    let env = [("SEGMENTER_CONFIG", file.to_str().unwrap()), ("KAFKA_BROKERS", ""), ("SEGMENTER_LOG_FILTER", "")];
    let config = config(None, &env, &[]);
    assert_eq!(config.kafka.out_of_range, OutOfRange::Latest);
    assert_eq!(config.kafka.brokers.joined(), "a:1,b:2");
    assert_eq!(config.log.filter.as_str(), "info");
}

#[test]
fn a_switch_needs_no_value() {
    assert!(!config(None, &[], &[]).database.migrate);
    assert!(config(None, &[], &["--migrate"]).database.migrate);
    assert!(!config(None, &[("SEGMENTER_DATABASE_MIGRATE", "true")], &["--migrate=false"]).database.migrate);
}

#[test]
fn every_error_is_reported_at_once_with_its_key_its_origin_and_its_rule() {
    let directory = Directory::new();
    let file = directory.write(
        "all.toml",
        "[batch]\nmax_records = 0\nmax_byte = 1\n[topics]\ndead_letter = 'profile-updated'\n[bach]\nx = 1\n[kafka]\ninitial_offset = []\n",
    );
    let env = [("KAFKA_BROKERS", "kafka"), ("SEGMENTER_LOG_FILTR", "debug"), ("SEGMENTER_OUTBOX_LEASE", "30")];
    let problems = problems(Some(&file), &env, &["--http-addr", "8080"]);
    let text = problems.to_string();
    let path = file.display();
    for expected in [
        "SEGMENTER_LOG_FILTR (environment): is not a setting; did you mean SEGMENTER_LOG_FILTER?".to_owned(),
        format!("bach ({path}:6): is not a setting; did you mean batch?"),
        format!("batch.max_byte ({path}:3): is not a setting; did you mean batch.max_bytes?"),
        format!("kafka.initial_offset ({path}:9): must be a string, a whole number, true or false"),
        format!("topics.dead_letter ({path}:5): must not be the topic of topics.profile_updated"),
        "kafka.brokers (env KAFKA_BROKERS): must be brokers as host:port, separated by commas".to_owned(),
        format!("batch.max_records ({path}:2): must be from 1 to 100000"),
        "outbox.lease (env SEGMENTER_OUTBOX_LEASE): must be a duration such as 250ms, 30s, 5m or 1h30m".to_owned(),
        "http.addr (flag --http-addr): must be an IP address and a port such as 0.0.0.0:8080 or [::]:8080".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected}\nin\n{text}");
    }
    assert_eq!(problems.iter().count(), 9, "{text}");
}

#[test]
fn the_rules_between_settings_are_kept() {
    for (flags, key) in [
        (&["--topics-dead-letter", "profile-updated"][..], "topics.dead_letter"),
        (&["--topics-onboarding-completed", "profile-updated"], "topics.onboarding_completed"),
        (&["--kafka-drain-deadline", "5m", "--kafka-max-poll-interval", "5m"], "kafka.drain_deadline"),
        (&["--kafka-session-timeout", "6m"], "kafka.session_timeout"),
        (&["--kafka-group-protocol", "consumer", "--kafka-session-timeout", "45s"], "kafka.session_timeout"),
        (&["--batch-max-bytes", "64KiB"], "batch.max_bytes"),
        (&["--in-flight-max-records", "499"], "in_flight.max_records"),
        (&["--in-flight-max-bytes", "3MiB"], "in_flight.max_bytes"),
        (&["--catalog-file", "/nowhere/catalog.toml"], "catalog.file"),
        (&["--kafka-sasl-username", "me"], "kafka.sasl_username"),
    ] {
        assert_eq!(keys(&problems(None, &[], flags)), [key], "{flags:?}");
    }
    let sasl = problems(None, &[("KAFKA_SECURITY_PROTOCOL", "sasl_ssl")], &[]);
    assert_eq!(keys(&sasl), ["kafka.sasl_mechanism", "kafka.sasl_username", "kafka.sasl_password"]);
    let by_token = [("KAFKA_SECURITY_PROTOCOL", "sasl_ssl"), ("KAFKA_SASL_MECHANISM", "OAUTHBEARER")];
    let by_token = problems(None, &by_token, &[]);
    assert_eq!(keys(&by_token), ["kafka.sasl_username", "kafka.sasl_password", "kafka.sasl_oauth_token_url"]);
    let without = problems(None, &[("KAFKA_SASL_OAUTH_TOKEN_URL", "https://id/token")], &[]);
    assert_eq!(keys(&without), ["kafka.sasl_oauth_token_url"]);
    let kerberos = problems(None, &[("KAFKA_SASL_MECHANISM", "GSSAPI")], &[]).to_string();
    assert!(kerberos.contains("GSSAPI (Kerberos) is not built in"), "{kerberos}");
    let unencrypted = problems(None, &[("KAFKA_SSL_CA", "/dev/null")], &[]);
    assert_eq!(keys(&unencrypted), ["kafka.ssl_ca"]);
}

#[test]
fn kafka_properties_pass_through_unless_they_would_break_a_promise() {
    let directory = Directory::new();
    let good =
        directory.write("good.toml", "[kafka.properties]\n'queued.min.messages' = 1000\nfetch.wait.max.ms = 50\n");
    let config = config(Some(&good), &[], &[]);
    let properties: Vec<(&str, &str)> = config.kafka.properties.iter().collect();
    assert_eq!(properties, [("fetch.wait.max.ms", "50"), ("queued.min.messages", "1000")]);

    let bad =
        directory.write("bad.toml", "[kafka.properties]\nacks = '0'\n'enable.auto.commit' = true\n'no.such' = 1\n'ssl.endpoint.identification.algorithm' = 'none'\n");
    let problems = problems(Some(&bad), &[], &[]);
    let expected = ["acks", "enable.auto.commit", "no.such", "ssl.endpoint.identification.algorithm"]
        .map(|name| format!("kafka.properties.{name}"));
    assert_eq!(keys(&problems), expected, "{problems}");
}

#[test]
fn a_property_that_the_group_protocol_leaves_to_the_brokers_is_refused_beside_it() {
    let directory = Directory::new();
    let beside = |protocol: &str| {
        let text = format!("[kafka]\ngroup_protocol = '{protocol}'\nproperties.'heartbeat.interval.ms' = 1000\n");
        directory.write(&format!("{protocol}.toml"), text)
    };
    config(Some(&beside("classic")), &[], &[]);
    assert_eq!(keys(&problems(Some(&beside("consumer")), &[], &[])), ["kafka.properties.heartbeat.interval.ms"]);
}

#[test]
fn a_secret_may_come_from_a_file_but_not_twice_in_one_layer() {
    let directory = Directory::new();
    let secret = directory.write("secret", "postgres://u:from-a-file@db/segments\n");
    let secret = secret.to_str().unwrap();
    let url = |config: Config| config.database.url.expose().to_owned();

    let by_env = config(None, &[("DATABASE_URL_FILE", secret)], &[]);
    assert_eq!(url(by_env), "postgres://u:from-a-file@db/segments");
    let by_flag = config(None, &[("DATABASE_URL", "postgres://u:p@other/db")], &["--database-url-file", secret]);
    assert_eq!(url(by_flag), "postgres://u:from-a-file@db/segments");
    let toml = directory.write("all.toml", format!("database.url_file = '{secret}'"));
    let by_key = config(Some(&toml), &[("DATABASE_URL", "")], &[]);
    assert_eq!(url(by_key), "postgres://u:from-a-file@db/segments");

    let both = problems(None, &[("DATABASE_URL", "postgres://u:p@h/db"), ("DATABASE_URL_FILE", secret)], &[]);
    assert!(
        both.to_string().contains("database.url (env DATABASE_URL): must not be set beside DATABASE_URL_FILE"),
        "{both}"
    );
    let missing = problems(None, &[("DATABASE_URL_FILE", "/nowhere/url")], &[]);
    assert!(missing.to_string().contains("the file /nowhere/url cannot be read"), "{missing}");
}

#[test]
fn no_secret_is_shown_debugged_or_repeated_in_an_error() {
    let directory = Directory::new();
    let file = directory.write(
        "all.toml",
        format!(
            "[kafka]\nsecurity_protocol = 'sasl_ssl'\nsasl_mechanism = 'plain'\nsasl_username = 'me'\nsasl_password = '{SECRET}'\n\
             [kafka.properties]\n'ssl.key.pem' = '{SECRET}'\n'ssl.keystore.password' = '{SECRET}'\n"
        ),
    );
    let resolved = sources(Some(&file), &[], &[]).resolve();
    let shown = resolved.show();
    assert!(shown.contains("postgres://u:***@db/segments"), "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert_hidden(&resolved);

    // A secret in the wrong place, in a wrong form, beside a broken rule or in a line that is no TOML.
    let broken = directory
        .write("broken.toml", format!("[kafka]\nsasl_password = {SECRET}\nbrokers = '{SECRET}'\nx = '{SECRET}'"));
    for env in
        [("DATABASE_URL", SECRET), ("KAFKA_BROKERS", "postgres://u:hush-hush@db/x"), ("SEGMENTER_PASSWORD", SECRET)]
    {
        assert_hidden(&sources(None, &[env], &[]).resolve());
        assert_hidden(&sources(Some(&broken), &[env], &[]).resolve());
        assert_hidden(&sources(Some(&file), &[env], &[]).resolve());
    }
}

/// No text of a configuration, valid or not, contains the secret.
fn assert_hidden(resolved: &Resolved) {
    let text = match resolved.config() {
        Ok(config) => format!("{config:?}"),
        Err(problems) => format!("{problems} {problems:?}"),
    };
    assert!(!text.contains(SECRET), "{text}");
    assert!(!resolved.show().contains(SECRET), "{}", resolved.show());
}

#[test]
fn a_hostile_file_is_refused_without_a_panic_and_in_bounded_space() {
    let directory = Directory::new();
    let deep = format!("a = {}", "[".repeat(100_000));
    let many = (0..20_000).fold(String::new(), |text, index| text + &format!("k{index} = 1\n"));
    let long_key = format!("{} = 1", "k".repeat(200_000));
    let contents: [&[u8]; 8] = [
        b"\xff\xfe\x00",
        b"[kafka]\n[kafka]\nbrokers = 1\nbrokers = 2\n[kafka.brokers]\n",
        b"\"\\u001b[31m\" = 1\nkafka = 1\ndatabase = [1]\n",
        b"[kafka.properties]\nx = { y = [1] }\n",
        &[b'x'; 300 * 1024],
        deep.as_bytes(),
        many.as_bytes(),
        long_key.as_bytes(),
    ];
    for content in contents {
        let file = directory.write("hostile.toml", content);
        let text = problems(Some(&file), &[], &[]).to_string();
        assert!(text.len() < 64 * 1024, "{} bytes", text.len());
        assert!(!text.contains('\u{1b}'), "{text}");
    }
    let missing = problems(Some(&directory.0.join("missing.toml")), &[], &[]);
    assert_eq!(keys(&missing), ["config"]);
}

#[test]
fn a_command_that_uses_only_the_database_needs_no_setting_of_kafka() {
    let mut sources = sources(None, &[], &[]);
    sources.env.retain(|(name, _)| name != "KAFKA_BROKERS");
    assert!(sources.resolve().read::<DatabaseConfig>().is_ok());
    assert!(sources.resolve().config().is_err());
}

/// Runs the binary with this environment and no other.
fn segmenter(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_segmenter"));
    command.args(arguments).env_clear().envs(env.iter().copied()).output().unwrap()
}

#[test]
fn config_check_exits_with_0_or_2_and_config_show_names_the_origins_of_values() {
    let env = [("KAFKA_BROKERS", "kafka:9092"), ("DATABASE_URL", "postgres://u:hush-hush@db/segments")];
    let good = segmenter(&["config", "check"], &env);
    assert_eq!(good.status.code(), Some(0), "{good:?}");

    let bad = segmenter(&["config", "check"], &[("SEGMENTER_BATCH_MAX_RECORDS", "none")]);
    assert_eq!(bad.status.code(), Some(2));
    let errors = String::from_utf8(bad.stderr).unwrap();
    assert!(errors.starts_with("the configuration has 3 errors:\n"), "{errors}");

    let show = segmenter(&["config", "show"], &env);
    assert_eq!(show.status.code(), Some(0));
    let table = String::from_utf8(show.stdout).unwrap();
    let line = |key: &str| table.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
    assert!(line("kafka.brokers").ends_with("env KAFKA_BROKERS"), "{table}");
    assert!(line("kafka.group_id").ends_with("default"), "{table}");
    assert!(!table.contains(SECRET));

    let flagged = sources(None, &[], &["--log-filter=debug"]).resolve().show();
    assert!(flagged.lines().any(|line| line.starts_with("log.filter") && line.ends_with("flag --log-filter")));
}

#[test]
fn only_serve_takes_settings_as_flags_and_every_command_takes_a_file() {
    let directory = Directory::new();
    let file = directory.write("segmenter.toml", "[batch]\nmax_records = 7\n");
    let env = [("KAFKA_BROKERS", "kafka:9092"), ("DATABASE_URL", "postgres://u:hush-hush@db/segments")];
    let refused = segmenter(&["config", "check", "--batch-max-records", "7"], &env);
    assert_eq!(refused.status.code(), Some(2));
    let file = file.to_str().unwrap();
    for arguments in [["config", "show", "--config", file], ["--config", file, "config", "show"]] {
        let table = String::from_utf8(segmenter(&arguments, &env).stdout).unwrap();
        assert!(table.lines().any(|line| line.ends_with("segmenter.toml:2")), "{arguments:?}: {table}");
    }
}

#[test]
fn a_wrong_command_line_exits_with_2_and_help_with_0() {
    assert_eq!(segmenter(&["no-such-command"], &[]).status.code(), Some(2));
    assert_eq!(segmenter(&["config", "check", "--no-such-flag"], &[]).status.code(), Some(2));
    assert_eq!(segmenter(&["serve", "--database-url", "postgres://u:p@h/db"], &[]).status.code(), Some(2));
    for arguments in [&["--help"][..], &["--version"], &["config", "show", "--help"]] {
        assert_eq!(segmenter(arguments, &[]).status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn the_user_page_needs_a_token_or_anonymous_access() {
    let enabled = [("SEGMENTER_HTTP_USER_PAGE", "true")];
    assert_eq!(keys(&problems(None, &enabled, &[])), ["http.user_page"]);
    for (name, value) in [("SEGMENTER_HTTP_TOKEN", "token"), ("SEGMENTER_HTTP_ALLOW_ANONYMOUS", "true")] {
        assert!(config(None, &[enabled[0], (name, value)], &[]).http.user_page);
    }
}

#[test]
fn the_settings_that_the_page_shows_hold_no_secret() {
    let env = [("SEGMENTER_HTTP_TOKEN", SECRET), ("KAFKA_SASL_PASSWORD", SECRET)];
    let shown = serde_json::to_string(&sources(None, &env, &[]).resolve().shown_settings()).unwrap();
    assert!(shown.contains("http.token") && shown.contains("***") && !shown.contains(SECRET), "{shown}");
}
