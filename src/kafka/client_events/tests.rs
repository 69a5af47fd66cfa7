//! Which refusals count as final.

use super::*;

fn events_of(errors: &[(KafkaError, &str)]) -> ReportedRefusal {
    let events = ClientEvents::new("test", None);
    errors.iter().for_each(|(error, reason)| events.remember(error, reason));
    events.reported.send_replace(ReportedRefusal::default())
}

#[test]
fn a_refusal_counts_as_one_by_all_brokers_only_once_every_broker_has_been_tried() {
    use RDKafkaErrorCode::{AllBrokersDown, Authentication, BrokerTransportFailure, SSL};
    let global = |code| KafkaError::Global(code);
    let by_all = |errors: &[(KafkaError, &str)]| events_of(errors).by_all_refusal();
    assert_eq!(by_all(&[(global(SSL), "one")]), None);
    assert_eq!(by_all(&[(global(BrokerTransportFailure), "down"), (global(AllBrokersDown), "")]), None);
    assert_eq!(by_all(&[(global(SSL), "one"), (global(AllBrokersDown), "")]).as_deref(), Some("one"));
    let one_is_unavailable = [
        (global(BrokerTransportFailure), "down"),
        (global(Authentication), "two"),
        (global(BrokerTransportFailure), "SSL handshake failed: Disconnected"),
        (global(AllBrokersDown), ""),
    ];
    assert_eq!(by_all(&one_is_unavailable).as_deref(), Some("two"));
    let then_unavailable =
        [(global(SSL), "one"), (global(BrokerTransportFailure), "down"), (global(AllBrokersDown), "")];
    assert_eq!(by_all(&then_unavailable), None);
}
