import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  cloudEventReader,
  cloudEventWriter,
  MessagingError,
  systemClock,
  type OutgoingMessage,
} from '../../src/contract/index.js';
import { jsonCodec } from '../../src/engine/codec.js';
import { createPublisher } from '../../src/engine/publisher.js';

fc.configureGlobal({ numRuns: 300 * Number(process.env['FC_RUNS'] ?? 1) });

/** Publishes to a broker that only looks at what it is to carry. */
async function outgoing(
  topic: unknown,
  payload: unknown,
  options: object,
): Promise<OutgoingMessage | undefined> {
  const carried: OutgoingMessage[] = [];
  const publisher = createPublisher({
    transport: {
      name: 'looking',
      capabilities: { maxBodySize: 10_000, maxDelay: 1_000_000 },
      publish: async (message: OutgoingMessage) => void carried.push(message),
    } as never,
    codec: jsonCodec,
    source: '/shop/orders',
    maxBodySize: 10_000,
    limit: { messages: 10, bytes: 100_000 },
    timeout: 1_000,
    clock: systemClock,
    observe: () => {},
    starting: () => undefined,
  });
  await publisher.publish('topic', topic as string, payload, options);
  return carried[0];
}

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', 'half: \ud83d', 'a\r\nb'),
);
const time = fc.oneof(fc.double(), fc.constantFrom('1s', '1e3s', '999999999999d', `${'9'.repeat(400)}ms`));
const options = fc.record(
  {
    key: fc.oneof(text, fc.anything()),
    headers: fc.dictionary(
      fc.oneof(text, fc.constantFrom('trace', 'ce_id', '__proto__')),
      fc.oneof(text, fc.anything()),
    ),
    messageId: text,
    correlationId: text,
    delay: time,
    expiresIn: time,
  },
  { requiredKeys: [] },
);

describe('a publish with any options', () => {
  it('is carried with what CloudEvents can say of it, or refused with the module’s error', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.constant('order.placed'), text),
        fc.jsonValue(),
        options,
        async (...given) => {
          let message: OutgoingMessage | undefined;
          try {
            message = await outgoing(...given);
          } catch (error) {
            expect(error).toBeInstanceOf(MessagingError);
            return;
          }
          const { type, ...event } = cloudEventReader()(cloudEventWriter()(message!));
          const { id, source, key, correlationId } = message!;
          expect({ ...event, type }).toMatchObject({ type: given[0], id, source, key, correlationId });
          for (const given of [id, key, correlationId].filter((one) => one !== undefined)) {
            expect(given).not.toBe('');
            expect(Buffer.from(given).toString()).toBe(given);
          }
          // Dates have whole milliseconds.
          if (message!.expiresAt !== undefined) expect(event.expiresAt).toBe(Math.floor(message!.expiresAt));
          if (message!.dueAt !== undefined) expect(event.dueAt).toBe(Math.floor(message!.dueAt));
        },
      ),
    );
  });
});
