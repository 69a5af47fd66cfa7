//! Which refusals count.

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
