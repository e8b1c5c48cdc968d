import {
  Consumer,
  Producer,
  jsonDeserializer,
  jsonSerializer,
  stringSerializer,
  type ConsumeOptions,
} from '@platformatic/kafka';
import { HANDS, type Contestant, type Place } from '../../contestant.js';
import type { Message } from '../../message.js';
import { makeTopic } from './topic.js';

/** How many messages go into one request at most. */
const GATHERED = 500;
/** Milliseconds between commits, for which no handler waits, as with ours. */
const COMMIT_EVERY = 200;

/** @param headersOf the headers of each message, by its topic */
export const publisherWith =
  (headersOf?: (topic: string) => Record<string, string>): Contestant['publisher'] =>
  async ({ url, name }) => {
    const producer = new Producer<undefined, Message, string, string>({
      clientId: 'bench',
      bootstrapBrokers: [url],
      acks: -1,
      serializers: { value: jsonSerializer, headerKey: stringSerializer, headerValue: stringSerializer },
    });
    return {
      send: (messages) =>
        producer.send({
          messages: messages.map((value) => ({
            topic: name,
            value,
            ...(headersOf && { headers: headersOf(name) }),
          })),
        }),
      close: () => producer.close(),
    };
  };

/** Reads a topic from its beginning: by itself it reads what comes from now on, and there would be no backlog. */
export async function consuming(
  { url, name }: Place,
  more: Pick<ConsumeOptions<undefined, Message, undefined, undefined>, 'autocommit' | 'maxWaitTime'> = {},
) {
  await makeTopic({ url, name });
  const consumer = new Consumer<undefined, Message, undefined, undefined>({
    clientId: 'bench',
    groupId: name,
    bootstrapBrokers: [url],
    deserializers: { value: jsonDeserializer },
  });
  const stream = await consumer.consume({
    topics: [name],
    mode: 'committed',
    fallbackMode: 'earliest',
    ...more,
  });
  return { consumer, stream };
}

export default {
  name: '@platformatic/kafka, gathered',
  safety: 'equal',
  beside: 'nest-messaging (platformatic)',
  batch: GATHERED,
  says: `acks all, ${GATHERED} messages in one request; ${HANDS} handlers at a time, positions committed every ${COMMIT_EVERY} ms after all before have ended`,
  publisher: publisherWith(),
  async consumer(place, handle) {
    const { consumer, stream } = await consuming(place, { autocommit: false, maxWaitTime: 100 });
    /** By partition, the next to be handled: all before it have ended. */
    const positions = new Map<number, bigint>();
    const commit = async (): Promise<void> => {
      const offsets = [...positions].map(([partition, offset]) => ({
        topic: place.name,
        partition,
        offset,
        leaderEpoch: 0,
      }));
      positions.clear();
      if (offsets.length > 0) await consumer.commit({ offsets });
    };
    let committing = Promise.resolve();
    const clock = setInterval(() => {
      committing = committing.then(commit);
    }, COMMIT_EVERY);
    const working = (async () => {
      // A slice of handlers at a time.
      let slice: { readonly partition: number; readonly offset: bigint; readonly ended: Promise<void> }[] =
        [];
      for await (const { partition, offset, value } of stream) {
        slice.push({ partition, offset, ended: handle(value) });
        if (slice.length < HANDS && stream.readableLength > 0) continue;
        await Promise.all(slice.map(({ ended }) => ended));
        for (const one of slice) positions.set(one.partition, one.offset + 1n);
        slice = [];
      }
    })();
    return {
      close: async () => {
        clearInterval(clock);
        await committing.then(commit);
        await consumer.close(true);
        await working;
      },
    };
  },
} satisfies Contestant;
