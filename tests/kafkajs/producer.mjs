// Produces as the platform's services do, through KafkaJS with gzip and its default partitioner.
//
// Usage, in a folder with KafkaJS: node --input-type=module --eval "$(cat producer.mjs)" BROKERS < lines
// Each line is a JSON object {topic, key, value, headers}: `value` is a string taken as it is, null, or an object that is
// sent as JSON. With `eventType` and `payload` instead of `value`, the platform's envelope is built around the payload.
// Prints how many records the broker has acknowledged.
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import kafkajs from 'kafkajs';

const { CompressionTypes, Kafka, logLevel } = kafkajs;

function envelope({ eventType, payload }) {
  return {
    eventId: randomUUID(),
    eventType,
    timestamp: new Date().toISOString(),
    version: '1.0',
    source: 'user-service',
    correlationId: randomUUID(),
    payload,
  };
}

function headersOf({ eventType, source, version, correlationId, timestamp }) {
  const headers = { eventType, source, version, correlationId, timestamp };
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
}

function message(line) {
  const value = 'payload' in line ? envelope(line) : line.value;
  const isObject = value !== null && typeof value === 'object';
  return {
    key: line.key ?? null,
    value: isObject ? JSON.stringify(value) : value,
    headers: line.headers ?? (isObject ? headersOf(value) : {}),
  };
}

const byTopic = new Map();
for await (const text of createInterface({ input: process.stdin })) {
  if (text.trim() === '') continue;
  const line = JSON.parse(text);
  if (!byTopic.has(line.topic)) byTopic.set(line.topic, []);
  byTopic.get(line.topic).push(message(line));
}

const client = new Kafka({ clientId: 'user-service', brokers: process.argv.at(-1).split(','), logLevel: logLevel.ERROR });
const producer = client.producer();
await producer.connect();
let count = 0;
for (const [topic, messages] of byTopic) {
  await producer.send({ topic, acks: -1, compression: CompressionTypes.GZIP, messages });
  count += messages.length;
}
await producer.disconnect();
console.log(count);
