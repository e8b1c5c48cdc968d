import assert from 'node:assert/strict';
import { defineEvent } from '@nest-messaging/core/contract';
import { concern } from './guarantee.js';

const poisons: readonly (readonly [string, Uint8Array])[] = [
  ['malformed JSON', Buffer.from('{"total": 5')],
  ['an empty body', new Uint8Array()],
  ['cut UTF-8', Buffer.from('"grün"').subarray(0, 4)],
  ['binary', Uint8Array.from([0x00, 0xff, 0x10, 0x80])],
  ['a key that pollutes prototypes', Buffer.from('{"__proto__":{"admin":true}}')],
];

/** A validator of the Standard Schema: its input is text of digits, its output the number. */
const digits = {
  '~standard': {
    version: 1,
    vendor: 'conformance',
    validate: (value: unknown) =>
      typeof value === 'string' && /^\d+$/.test(value)
        ? { value: Number(value) }
        : { issues: [{ message: 'expected digits' }] },
    types: undefined as { readonly input: string; readonly output: number } | undefined,
  },
} as const;

export const poison = concern('Poison', (states) => {
  for (const [what, body] of poisons)
    states(
      `A message with ${what} is set aside at its first attempt, its bytes untouched`,
      async ({ open, serve, topic, until }) => {
        let calls = 0;
        const service = await serve([{ on: topic(), handle: () => void calls++ }]);
        const producer = await open();
        await producer.publish(topic(), { body });
        await until(async () => (await service.deadLetters(topic())).length === 1, 'the dead letter');
        const [letter] = await service.deadLetters(topic());
        assert.equal(calls, 0, 'the handler was called');
        assert.equal(letter!.attempts, 1);
        assert.equal(Buffer.from(letter!.message.body).toString('hex'), Buffer.from(body).toString('hex'));
        assert.ok(!letter!.failure.message.includes('total'), 'the error quotes the body');
        // The others go on.
        await service.publish(topic(), { fine: true });
        await until(() => service.count('handled') === 1, 'the next message');
        assert.equal(calls, 1);
      },
    );

  states(
    'JSON that is unusual is handled: `null`, a byte-order mark, another media type',
    async ({ open, serve, topic, until }) => {
      const seen: unknown[] = [];
      const service = await serve([
        { on: topic(), options: { concurrency: 1 }, handle: (payload) => void seen.push(payload) },
      ]);
      const producer = await open();
      await producer.publish(topic(), { body: 'null' });
      await producer.publish(topic(), { body: Buffer.from('\uFEFF{"n":1}') });
      await producer.publish(topic(), { body: '[2]', contentType: 'text/plain' });
      await until(() => service.count('handled') === 3, 'all three');
      assert.deepEqual(new Set(seen), new Set([null, { n: 1 }, [2]]));
    },
  );

  states(
    'A payload that does not fit its schema is set aside at its first attempt',
    async ({ open, serve, topic, until }) => {
      let calls = 0;
      const contract = defineEvent(topic(), { schema: digits });
      const service = await serve([{ on: contract, handle: () => void calls++ }]);
      const producer = await open();
      await producer.publish(topic(), { body: '"not digits"' });
      await until(async () => (await service.deadLetters(topic())).length === 1, 'the dead letter');
      const [letter] = await service.deadLetters(topic());
      assert.equal(calls, 0);
      assert.equal(letter!.attempts, 1);
      assert.equal(letter!.failure.code, 'INVALID_PAYLOAD');
    },
  );

  states('A payload that does not fit its schema is refused on publish', async ({ serve, topic }) => {
    const contract = defineEvent(topic(), { schema: digits });
    const service = await serve();
    await assert.rejects(service.publish(contract, 'not digits'), { code: 'INVALID_PAYLOAD' });
    assert.equal(service.count('published'), 0);
  });

  states(
    'Messages without headers, or with headers of other kinds, are handled',
    async ({ serve, topic, until, hook }) => {
      const seen: unknown[] = [];
      const service = await serve([{ on: topic(), handle: (payload) => void seen.push(payload) }]);
      const publish = hook('foreign');
      const to = { kind: 'topic', name: topic() } as const;
      await publish(to, Buffer.from('1'));
      await publish(to, Buffer.from('2'), { nested: '{"a":1}', 'nm-attempt': 'many', 'x-retries': '-1' });
      await until(() => service.count('handled') === 2, 'both');
      assert.deepEqual(new Set(seen), new Set([1, 2]));
    },
    { hook: 'foreign' },
  );
});
