// Produces as the platform's services do, for as long as lines come, and gives up nothing: what a broker has not acknowledged is
// sent again.
//
// Usage, in a folder with KafkaJS: node --input-type=module --eval "$(cat steady.mjs)" BROKERS PARTITIONS < lines
// Each line is a JSON object {topic, key, value}; the topics have PARTITIONS partitions. Each partition is produced to by itself,
// so that one without a leader holds up no other. Prints the number of acknowledged records after each request.
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import kafkajs from 'kafkajs';

const { CompressionTypes, Kafka, Partitioners, logLevel } = kafkajs;
const [brokers, partitions] = process.argv.slice(-2);
const partitionMetadata = Array.from({ length: Number(partitions) }, (_, partitionId) => ({ partitionId, leader: 0 }));
const partitionOf = Partitioners.DefaultPartitioner();

// A client for each topic: one that asks for the leaders of all its topics knows none if one partition has none.
const producers = new Map();

async function producerOf(topic) {
  if (!producers.has(topic)) {
    const client = new Kafka({
      clientId: 'user-service',
      brokers: brokers.split(','),
      logLevel: logLevel.NOTHING,
      connectionTimeout: 1000,
      requestTimeout: 5000,
      retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 5 },
    });
    const producer = client.producer();
    producers.set(topic, producer.connect().then(() => producer));
  }
  return producers.get(topic);
}

const queues = new Map();
let acknowledged = 0;

async function drain(queue) {
  queue.isDraining = true;
  const producer = await producerOf(queue.topic);
  while (queue.waiting.length > 0) {
    const messages = queue.waiting.splice(0);
    for (let sent = false; !sent; ) {
      try {
        await producer.send({ topic: queue.topic, acks: -1, compression: CompressionTypes.GZIP, messages });
        sent = true;
      } catch {
        await pause(100);
      }
    }
    acknowledged += messages.length;
    console.log(acknowledged);
  }
  queue.isDraining = false;
}

for await (const text of createInterface({ input: process.stdin })) {
  const { topic, key, value } = JSON.parse(text);
  const message = { key, value: JSON.stringify(value) };
  message.partition = partitionOf({ topic, partitionMetadata, message });
  const name = `${topic} ${message.partition}`;
  if (!queues.has(name)) queues.set(name, { topic, waiting: [], isDraining: false });
  const queue = queues.get(name);
  queue.waiting.push(message);
  if (!queue.isDraining) drain(queue);
}
for (const producer of producers.values()) await (await producer).disconnect();
