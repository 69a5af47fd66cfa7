// Joins GROUP as its leader and assigns partition 0 of TOPIC to every other member, and with it a topic whose name is not UTF-8.
//
// Usage, in a folder with KafkaJS: node --input-type=module --eval "$(cat leader.mjs)" BROKERS GROUP TOPIC
// Prints a line each time it has joined, and runs until its standard input closes.
import kafkajs from 'kafkajs';

const { AssignerProtocol, Kafka, logLevel } = kafkajs;
const [brokers, groupId, topic] = process.argv.slice(-3);
const clientId = 'other-program';

function number(value, bytes) {
  const buffer = Buffer.alloc(bytes);
  buffer.writeIntBE(value, 0, bytes);
  return buffer;
}

function assignment(topics) {
  const parts = topics.map((name) => [number(name.length, 2), name, number(1, 4), number(0, 4)]);
  return Buffer.concat([number(0, 2), number(topics.length, 4), ...parts.flat(), number(-1, 4)]);
}

const toOthers = assignment([Buffer.from([0x78, 0xff]), Buffer.from(topic)]);
const assigner = () => ({
  name: 'cooperative-sticky',
  version: 0,
  async assign({ members }) {
    const of = (memberId) => (memberId.startsWith(clientId) ? assignment([]) : toOthers);
    return members.map(({ memberId }) => ({ memberId, memberAssignment: of(memberId) }));
  },
  protocol({ topics }) {
    const metadata = AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) });
    return { name: 'cooperative-sticky', metadata };
  },
});

const consumer = new Kafka({ clientId, brokers: brokers.split(','), logLevel: logLevel.ERROR }).consumer({
  groupId,
  partitionAssigners: [assigner],
  sessionTimeout: 10000,
  heartbeatInterval: 500,
});
consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => console.log(payload.isLeader ? 'leader' : 'member'));
await consumer.connect();
await consumer.subscribe({ topics: [topic] });
await consumer.run({ eachMessage: async () => {} });
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
