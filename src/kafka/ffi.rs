//! Direct calls into librdkafka. The `rdkafka` crate exposes neither topic ids nor a commit with a deadline nor the members of a
//! group whose partitions the brokers assign, gives tokens only to clients that are polled, and panics where a committed offset's
//! metadata or the name of a header or topic is not UTF-8; here they are bytes. The only file with `unsafe`.
#![allow(
    unsafe_code,
    reason = "rdkafka 0.39 wraps neither topic ids, commits with a deadline, the description of groups nor tokens, and panics on metadata and names that are not UTF-8"
)]

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as rd;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedHeaders, OwnedHeaders};
use rdkafka::types::RDKafkaRespErr;
use uuid::Uuid;

use super::committed::Committed;
use super::topic_id;
use crate::identity::token::Token;

/// How much longer than the request's own timeout to wait for its answer.
const MARGIN: Duration = Duration::from_secs(1);

/// A librdkafka object that this process has to destroy.
struct Owned<T> {
    pointer: NonNull<T>,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// `pointer` is null or owned, and `destroy` is the destructor of its type.
    fn new(pointer: *mut T, destroy: unsafe extern "C" fn(*mut T), name: &str) -> KafkaResult<Self> {
        let pointer = NonNull::new(pointer).ok_or_else(|| KafkaError::AdminOpCreation(format!("no {name}")))?;
        Ok(Self { pointer, destroy })
    }

    fn get(&self) -> *mut T {
        self.pointer.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer is owned, was created by the counterpart of `destroy`, and is not used after this.
        unsafe { (self.destroy)(self.get()) }
    }
}

/// The ids of the topics that exist; for brokers without topic ids (before Kafka 2.8), ids by their names. Blocks until the brokers have
/// answered, for at most about twice `timeout`.
pub(crate) fn topic_ids<C: ClientContext>(
    client: &Client<C>,
    topics: &[&str],
    timeout: Duration,
) -> KafkaResult<HashMap<String, Uuid>> {
    match answer(client, topics, timeout) {
        Ok(event) => described(&event),
        Err(KafkaError::AdminOp(RDKafkaErrorCode::UnsupportedFeature | RDKafkaErrorCode::UnsupportedVersion)) => {
            Ok(topics.iter().map(|name| ((*name).to_owned(), topic_id::without_id(name))).collect())
        }
        Err(error) => Err(error),
    }
}

/// Sends DescribeTopics and waits for its result event. By default librdkafka sends the request to the controller and waits
/// while there is none. Every broker can answer it, so it goes to the broker that has just answered.
fn answer<C: ClientContext>(
    client: &Client<C>,
    topics: &[&str],
    timeout: Duration,
) -> KafkaResult<Owned<rd::rd_kafka_event_t>> {
    let broker = client.fetch_metadata(topics.first().copied(), timeout)?.orig_broker_id();
    let names: Vec<CString> = topics.iter().filter_map(|topic| CString::new(*topic).ok()).collect();
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the names outlive the call, which copies them.
    let collection = unsafe { rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()) };
    let collection = Owned::new(collection, rd::rd_kafka_TopicCollection_destroy, "collection")?;
    let for_topics = rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    requested(client, for_topics, Some(broker).filter(|broker| *broker >= 0), timeout, |options, queue| {
        // SAFETY: all four are valid; the call copies the topics and the options, and keeps a reference to the queue.
        unsafe { rd::rd_kafka_DescribeTopics(client.native_ptr(), collection.get(), options, queue) }
    })
}

/// Sends a request of the admin API by `send`, to this broker if one is given, and waits for its result event.
fn requested<C: ClientContext>(
    client: &Client<C>,
    kind: rd::rd_kafka_admin_op_t,
    broker: Option<i32>,
    timeout: Duration,
    send: impl FnOnce(*mut rd::rd_kafka_AdminOptions_t, *mut rd::rd_kafka_queue_t),
) -> KafkaResult<Owned<rd::rd_kafka_event_t>> {
    // SAFETY: the client lives for the whole function.
    let (queue, options) = unsafe {
        (rd::rd_kafka_queue_new(client.native_ptr()), rd::rd_kafka_AdminOptions_new(client.native_ptr(), kind))
    };
    let queue = Owned::new(queue, rd::rd_kafka_queue_destroy, "queue")?;
    let options = Owned::new(options, rd::rd_kafka_AdminOptions_destroy, "options")?;
    let mut error_text = [0; 256];
    // SAFETY: the options are valid, and the text is as long as stated.
    let set = unsafe {
        rd::rd_kafka_AdminOptions_set_request_timeout(
            options.get(),
            milliseconds(timeout),
            error_text.as_mut_ptr(),
            error_text.len(),
        )
    };
    succeeded(set)?;
    if let Some(broker) = broker {
        // SAFETY: as above.
        let set = unsafe {
            rd::rd_kafka_AdminOptions_set_broker(options.get(), broker, error_text.as_mut_ptr(), error_text.len())
        };
        succeeded(set)?;
    }
    send(options.get(), queue.get());
    // SAFETY: the queue is valid.
    let event = unsafe { rd::rd_kafka_queue_poll(queue.get(), milliseconds(timeout + MARGIN)) };
    if event.is_null() {
        return Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut));
    }
    let event = Owned::new(event, rd::rd_kafka_event_destroy, "event")?;
    // SAFETY: the event is valid.
    succeeded(unsafe { rd::rd_kafka_event_error(event.get()) })?;
    Ok(event)
}

/// The topics in the answer that have an id.
fn described(event: &Owned<rd::rd_kafka_event_t>) -> KafkaResult<HashMap<String, Uuid>> {
    // SAFETY: the event is valid; for another type of event the result is null.
    let result = unsafe { rd::rd_kafka_event_DescribeTopics_result(event.get()) };
    if result.is_null() {
        return Err(KafkaError::AdminOp(RDKafkaErrorCode::BadMessage));
    }
    let mut count = 0;
    // SAFETY: the result and its topics belong to the event, which is borrowed for the whole function.
    let topics = unsafe { rd::rd_kafka_DescribeTopics_result_topics(result, &raw mut count) };
    if topics.is_null() {
        return Ok(HashMap::new());
    }
    // SAFETY: librdkafka returns `count` pointers, which live as long as the event.
    let topics = unsafe { std::slice::from_raw_parts(topics, count) };
    Ok(topics.iter().filter_map(|topic| name_and_id(*topic)).collect())
}

fn name_and_id(topic: *const rd::rd_kafka_TopicDescription_t) -> Option<(String, Uuid)> {
    // SAFETY: the caller holds the event that owns the description. Its error may be null, which means no error.
    let (error, name, id) = unsafe {
        (
            rd::rd_kafka_error_code(rd::rd_kafka_TopicDescription_error(topic)),
            rd::rd_kafka_TopicDescription_name(topic),
            rd::rd_kafka_TopicDescription_topic_id(topic),
        )
    };
    if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR || name.is_null() || id.is_null() {
        return None;
    }
    // SAFETY: the name is a C string, and both belong to the description.
    let (name, high, low) = unsafe {
        (
            CStr::from_ptr(name).to_str().ok()?,
            rd::rd_kafka_Uuid_most_significant_bits(id),
            rd::rd_kafka_Uuid_least_significant_bits(id),
        )
    };
    Some((name.to_owned(), topic_id::of(name, high.cast_unsigned(), low.cast_unsigned())))
}

/// The number of members of a group, whichever its protocol; 0 for one that does not exist. The crate's own list shows a group
/// whose partitions the brokers assign as empty. Blocks for at most little longer than `timeout`.
///
/// # Errors
/// The coordinator does not answer, or refuses the client.
pub(crate) fn members<C: ClientContext>(client: &Client<C>, group: &str, timeout: Duration) -> KafkaResult<u64> {
    let Ok(name) = CString::new(group) else { return Ok(0) };
    let mut names = [name.as_ptr()];
    let for_groups = rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
    let event = requested(client, for_groups, None, timeout, |options, queue| {
        // SAFETY: all are valid; the call copies the name and the options, and keeps a reference to the queue.
        unsafe {
            rd::rd_kafka_DescribeConsumerGroups(client.native_ptr(), names.as_mut_ptr(), names.len(), options, queue);
        }
    })?;
    // SAFETY: the event is valid; for another type of event the result is null.
    let result = unsafe { rd::rd_kafka_event_DescribeConsumerGroups_result(event.get()) };
    if result.is_null() {
        return Err(KafkaError::GroupListFetch(RDKafkaErrorCode::BadMessage));
    }
    let mut count = 0;
    // SAFETY: the result and its groups belong to the event, which is borrowed for the whole function.
    let groups = unsafe { rd::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count) };
    if groups.is_null() || count == 0 {
        return Ok(0);
    }
    // SAFETY: there is at least one description, which lives as long as the event. Its error may be null, which means no error.
    let (error, members) = unsafe {
        let described = *groups;
        (
            rd::rd_kafka_error_code(rd::rd_kafka_ConsumerGroupDescription_error(described)),
            rd::rd_kafka_ConsumerGroupDescription_member_count(described),
        )
    };
    match error {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(members as u64),
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND => Ok(0),
        code => Err(KafkaError::GroupListFetch(code.into())),
    }
}

/// The committed offset of a partition in `list`, the answer of the coordinator; the partition's topic now has the id
/// `topic_id`. The crate's own accessor panics on metadata that is not UTF-8, and any program may commit such metadata.
///
/// # Errors
/// The coordinator's error for this partition.
pub(crate) fn committed(
    list: &TopicPartitionList,
    topic: &str,
    partition: i32,
    topic_id: Uuid,
) -> KafkaResult<Option<Committed>> {
    let Ok(topic) = CString::new(topic) else { return Ok(None) };
    // SAFETY: the list is borrowed for the whole function; the call does not modify it, and returns one of its elements or null.
    let found = unsafe { rd::rd_kafka_topic_partition_list_find(list.ptr(), topic.as_ptr(), partition).as_ref() };
    let Some(element) = found else { return Ok(None) };
    if element.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(KafkaError::OffsetFetch(element.err.into()));
    }
    // Negative where there is none.
    if element.offset < 0 {
        return Ok(None);
    }
    let metadata: *const u8 = element.metadata.cast_const().cast();
    let metadata = if metadata.is_null() {
        &[]
    } else {
        // SAFETY: the metadata is `metadata_size` bytes long and lives as long as the list.
        unsafe { std::slice::from_raw_parts(metadata, element.metadata_size) }
    };
    Ok(Some(Committed::new(element.offset, metadata, topic_id)))
}

/// Commits offsets and waits for the coordinator, for at most `timeout`; a later answer does not count. The crate's own commit
/// waits without an end where the coordinator is silent.
pub(crate) fn commit<C: ClientContext>(
    client: &Client<C>,
    offsets: &TopicPartitionList,
    timeout: Duration,
) -> KafkaResult<()> {
    // SAFETY: the client lives for the whole function.
    let queue = unsafe { rd::rd_kafka_queue_new(client.native_ptr()) };
    let queue = Owned::new(queue, rd::rd_kafka_queue_destroy, "queue")?;
    // SAFETY: all three are valid; the call copies the offsets and keeps a reference to the queue. Without a callback the answer
    // is an event of the queue.
    let event = unsafe {
        committed_successfully(rd::rd_kafka_commit_queue(
            client.native_ptr(),
            offsets.ptr(),
            queue.get(),
            None,
            ptr::null_mut(),
        ))?;
        rd::rd_kafka_queue_poll(queue.get(), milliseconds(timeout))
    };
    if event.is_null() {
        return Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::OperationTimedOut));
    }
    let event = Owned::new(event, rd::rd_kafka_event_destroy, "event")?;
    // SAFETY: the event is valid; the list belongs to it, and is null for another type of event.
    let (error, answered) = unsafe {
        (rd::rd_kafka_event_error(event.get()), rd::rd_kafka_event_topic_partition_list(event.get()).as_ref())
    };
    committed_successfully(error)?;
    let Some(answered) = answered.filter(|answered| !answered.elems.is_null()) else { return Ok(()) };
    let count = usize::try_from(answered.cnt).unwrap_or(0);
    // SAFETY: librdkafka's list has `cnt` elements, which live as long as the event.
    let elements = unsafe { std::slice::from_raw_parts(answered.elems, count) };
    // The coordinator may reject single partitions of a commit that succeeds as a whole.
    elements.iter().try_for_each(|element| committed_successfully(element.err))
}

fn committed_successfully(code: RDKafkaRespErr) -> KafkaResult<()> {
    match code {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(KafkaError::ConsumerCommit(code.into())),
    }
}

/// Gives a client the token to log in with from now on.
///
/// # Errors
/// The token has expired, or has characters that the protocol does not allow.
pub(crate) fn set_token<C: ClientContext>(client: &Client<C>, token: &Token) -> KafkaResult<()> {
    let unusable = |why: String| KafkaError::ClientCreation(format!("the token cannot be used: {why}"));
    let text = CString::new(token.text()).map_err(|error| unusable(error.to_string()))?;
    let principal = CString::new(token.principal.as_str()).map_err(|error| unusable(error.to_string()))?;
    let mut error_text = [0; 256];
    // SAFETY: the client lives for the whole function; the call copies both texts, takes no extensions, and writes at most as many
    // bytes as stated.
    let set = unsafe {
        rd::rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            text.as_ptr(),
            token.expires_at_ms(),
            principal.as_ptr(),
            ptr::null_mut(),
            0,
            error_text.as_mut_ptr(),
            error_text.len(),
        )
    };
    succeeded(set).map_err(|error| unusable(error.to_string()))
}

/// The topics and partitions in the list. Names that are not UTF-8 are left out: the leader of a group, which may be another
/// program, assigns topics by any name, and the crate's own accessor panics on such a name.
pub(crate) fn places(list: &TopicPartitionList) -> Vec<(&str, i32)> {
    // SAFETY: the list is borrowed for the lifetime of the result.
    let native = unsafe { &*list.ptr() };
    let count = usize::try_from(native.cnt).unwrap_or(0);
    if count == 0 {
        return Vec::new();
    }
    // SAFETY: the list has `cnt` elements, which live as long as the list; their names are C strings.
    let elements = unsafe { std::slice::from_raw_parts(native.elems, count) };
    // SAFETY: as above.
    let place = |element: &rd::rd_kafka_topic_partition_t| {
        Some((unsafe { CStr::from_ptr(element.topic) }.to_str().ok()?, element.partition))
    };
    elements.iter().filter_map(place).collect()
}

/// The headers in their order, as name and value. A name may be any bytes, not only UTF-8.
pub fn headers(headers: &BorrowedHeaders) -> impl Iterator<Item = (&CStr, Option<&[u8]>)> {
    (0..).map_while(move |index| {
        let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the result borrows the headers; the call reads them and writes to three local variables.
        let found = unsafe {
            rd::rd_kafka_header_get_all(native(headers), index, &raw mut name, &raw mut value, &raw mut length)
        };
        succeeded(found).ok()?;
        // SAFETY: the name ends with NUL, the value has `length` bytes or is null, and both live as long as the headers.
        let (name, value) = unsafe {
            (CStr::from_ptr(name), (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast(), length)))
        };
        Some((name, value))
    })
}

/// A copy of the headers whose name satisfies `is_kept`, byte for byte.
pub(crate) fn headers_whose(original: &OwnedHeaders, is_kept: impl Fn(&[u8]) -> bool) -> OwnedHeaders {
    let copy = original.clone();
    for (name, _) in headers(original.as_borrowed()).filter(|(name, _)| !is_kept(name.to_bytes())) {
        // SAFETY: nothing else refers to the copy; the name belongs to the original. Removing a name that was removed before
        // finds nothing, which is no error here.
        unsafe { rd::rd_kafka_header_remove(native(copy.as_borrowed()), name.as_ptr()) };
    }
    copy
}

/// The headers as librdkafka's type: the crate's type is zero-sized and has the same address.
fn native(headers: &BorrowedHeaders) -> *mut rd::rd_kafka_headers_t {
    ptr::from_ref(headers).cast_mut().cast()
}

fn succeeded(code: RDKafkaRespErr) -> KafkaResult<()> {
    match code {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(KafkaError::AdminOp(code.into())),
    }
}

fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}
