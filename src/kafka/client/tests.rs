//! Which refusals count, and who decides about reconnecting.

use super::*;

fn events_of(errors: &[(KafkaError, &str)]) -> ReportedRefusal {
    let events = ClientEvents::new("test");
    errors.iter().for_each(|(error, reason)| events.remember(error, reason));
    events.reported.send_replace(ReportedRefusal::default())
}

#[test]
fn only_a_refusal_after_which_no_broker_is_left_is_one_by_all() {
    use RDKafkaErrorCode::{AllBrokersDown, Authentication, BrokerTransportFailure, SSL};
    let global = |code| KafkaError::Global(code);
    let by_all = |errors: &[(KafkaError, &str)]| events_of(errors).by_all_refusal();
    assert_eq!(by_all(&[(global(SSL), "one")]), None);
    assert_eq!(by_all(&[(global(BrokerTransportFailure), "away"), (global(AllBrokersDown), "")]), None);
    assert_eq!(by_all(&[(global(SSL), "one"), (global(AllBrokersDown), "")]).as_deref(), Some("one"));
    let one_is_unavailable = [
        (global(BrokerTransportFailure), "away"),
        (global(Authentication), "two"),
        (global(BrokerTransportFailure), "SSL handshake failed: Disconnected"),
        (global(AllBrokersDown), ""),
    ];
    assert_eq!(by_all(&one_is_unavailable).as_deref(), Some("two"));
    let then_unavailable =
        [(global(SSL), "one"), (global(BrokerTransportFailure), "away"), (global(AllBrokersDown), "")];
    assert_eq!(by_all(&then_unavailable), None);
}

#[test]
fn an_operator_who_sets_one_of_the_two_times_of_reconnecting_decides_about_both() {
    let config = |properties: &[(&str, &str)]| {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Cluster { properties: properties.iter().map(own).collect() }.admin()
    };
    let times = |config: &ClientConfig| RECONNECT.map(|(name, _)| config.get(name).map(str::to_owned));
    assert_eq!(times(&config(&[])), [Some("1000".to_owned()), Some("3000".to_owned())]);
    assert_eq!(times(&config(&[("reconnect.backoff.max.ms", "500")])), [None, Some("500".to_owned())]);
}
