// Keeps the newest segments of every user, with KafkaJS (npm install kafkajs).
//
// KAFKA_BROKERS, TOPIC, GROUP; prints a JSON line for each record that is news. IDLE_SECONDS ends it after that long
// without a record; without it, it runs until it is stopped.
import { Kafka, logLevel } from 'kafkajs';

const { KAFKA_BROKERS, TOPIC = 'segment-changed', GROUP = 'recommender', IDLE_SECONDS } = process.env;
const kafka = new Kafka({ clientId: GROUP, brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.ERROR });
const consumer = kafka.consumer({ groupId: GROUP });

// In real life this lies in a store of your own, written together with what you make of it.
const newest = new Map(); // user -> { revision, segments }

function take(message) {
  const user = message.key.toString();
  const revision = Number(message.headers['segmenter.revision'].toString());
  const known = newest.get(user);
  // A record may be repeated, and an older one may come after a newer: only a higher revision is news.
  if (known && revision <= known.revision) return;
  // A tombstone: the user was erased. The revision is kept, so that an older record does not bring the user back.
  const segments = message.value === null ? null : JSON.parse(message.value.toString()).payload.newSegments;
  newest.set(user, { revision, segments });
  console.log(JSON.stringify({ user, revision, segments: segments && segments.map(({ segment }) => segment) }));
}

let lastRecord; // or the time at which the group was joined
consumer.on(consumer.events.GROUP_JOIN, () => { lastRecord = Date.now(); });
await consumer.connect();
await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    lastRecord = Date.now();
    take(message);
  },
});

if (IDLE_SECONDS) {
  const watch = setInterval(async () => {
    if (lastRecord && Date.now() - lastRecord > Number(IDLE_SECONDS) * 1000) {
      clearInterval(watch);
      await consumer.disconnect();
    }
  }, 200);
}
