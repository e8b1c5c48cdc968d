import assert from 'node:assert/strict';
import { defineEvent } from '@nest-messaging/core/contract';
import { currentMessage } from '@nest-messaging/core/engine';
import { concern } from './guarantee.js';

/** Freezes an object and all it holds: whoever changes it throws. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}

export const payloads = concern('Payloads', (states) => {
  states(
    'Payloads whose fields are called `value`, `key`, `headers`, `data`, `pattern` or `id` arrive as sent',
    async ({ serve, topic, until }) => {
      const payload = deepFreeze({
        value: { value: 1 },
        key: 'k',
        headers: { a: 'b' },
        data: [null, 0, '', false],
        pattern: 'order.*',
        id: 7,
        type: 'message',
        attempt: 9,
      });
      const seen: unknown[] = [];
      const service = await serve([{ on: topic(), handle: (got) => void seen.push(got) }]);
      await service.publish(topic(), payload);
      await until(() => seen.length === 1, 'the message');
      assert.deepEqual(seen[0], payload);
    },
  );

  states('Every JSON value is a payload', async ({ serve, topic, until }) => {
    const values = [null, true, 0, -1.5, '', 'ü🚀', [], {}, [[]], { '': 1 }, [null, { a: null }]];
    const seen: unknown[] = [];
    const service = await serve([
      { on: topic(), options: { concurrency: 1 }, handle: (got) => void seen.push(got) },
    ]);
    for (const value of values) await service.publish(topic(), value);
    await until(() => seen.length === values.length, 'all of them');
    const sorted = (list: unknown[]): unknown[] =>
      list
        .map((value) => [JSON.stringify(value), value])
        .sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1));
    assert.deepEqual(sorted(seen), sorted(values));
  });

  states(
    'The caller’s object may be changed right after `publish` was called',
    async ({ serve, topic, until }) => {
      const seen: unknown[] = [];
      const service = await serve([{ on: topic(), handle: (got) => void seen.push(got) }]);
      const payload = { total: 5 };
      const published = service.publish(topic(), payload);
      payload.total = 6;
      await published;
      await until(() => seen.length === 1, 'the message');
      assert.deepEqual(seen, [{ total: 5 }]);
    },
  );

  states(
    'The wire carries what the publisher gave, the handler gets what the schema makes of it',
    async ({ open, serve, topic, until }) => {
      const day = {
        '~standard': {
          version: 1,
          vendor: 'conformance',
          validate: (value: unknown) => ({ value: new Date((value as { day: string }).day) }),
          types: undefined as { readonly input: { readonly day: string }; readonly output: Date } | undefined,
        },
      } as const;
      const contract = defineEvent(topic(), { schema: day, key: (date) => `${date.getUTCFullYear()}` });
      const raw = await (await open()).subscribe(topic());
      const seen: unknown[] = [];
      const service = await serve([{ on: contract, handle: (got) => void seen.push(got) }]);
      await service.publish(contract, { day: '2024-02-29' });
      await until(() => seen.length === 1 && raw.seen.length === 1, 'the message in both groups');
      assert.deepEqual(seen, [new Date('2024-02-29')]);
      assert.equal(raw.texts[0], '{"day":"2024-02-29"}');
      assert.equal(raw.seen[0]!.message.key, '2024', 'the key is not that of the validated payload');
    },
  );

  states('What a handler publishes carries the conversation on', async ({ serve, topic, until }) => {
    const context = () => {
      const { id, correlationId, causationId } = currentMessage()!;
      return { id, correlationId, causationId };
    };
    const seen: ReturnType<typeof context>[] = [];
    const service = await serve([
      {
        on: topic('first'),
        async handle() {
          seen.push(context());
          await service.publish(topic('second'), {});
        },
      },
      { on: topic('second'), handle: () => void seen.push(context()) },
    ]);
    await service.publish(topic('first'), {}, { messageId: 'm1', correlationId: 'conversation' });
    await until(() => seen.length === 2, 'both messages');
    assert.deepEqual(seen[0], { id: 'm1', correlationId: 'conversation', causationId: undefined });
    assert.equal(seen[1]!.correlationId, 'conversation');
    assert.equal(seen[1]!.causationId, 'm1');
  });

  states(
    'Late messages are discarded and counted, not handled',
    async ({ open, serve, topic, until, clock }) => {
      const seen: unknown[] = [];
      const service = await serve([
        { on: topic(), options: { concurrency: 1 }, handle: (got) => void seen.push(got) },
      ]);
      const producer = await open();
      await producer.publish(topic(), { body: '"late"', expiresAt: clock.now() - 1 });
      await service.publish(topic(), 'in time', { expiresIn: '5m' });
      // Of two messages without a key either may come first.
      await until(
        () => seen.includes('in time') && service.count('expired') === 1,
        'the one to be handled and the other to expire',
      );
      assert.deepEqual(seen, ['in time']);
      assert.deepEqual(await service.deadLetters(topic()), []);
    },
  );

  states(
    'A body beyond the limit is refused before it is sent, and the connection stays usable',
    async ({ serve, topic, until, capabilities }) => {
      const service = await serve([{ on: topic(), handle() {} }], {
        maxBodySize: Math.min(200_000_000, capabilities.maxBodySize + 1),
      });
      const size = Math.min(200_000_000, capabilities.maxBodySize) + 1;
      await assert.rejects(
        service.publish(topic(), 'x'.repeat(size)),
        (error: { code?: string; retryable?: boolean }) => {
          assert.equal(error.code, 'MESSAGE_TOO_LARGE');
          assert.equal(error.retryable, false);
          return true;
        },
      );
      await service.publish(topic(), 'small');
      await until(() => service.count('handled') === 1, 'a smaller one');
    },
  );

  states(
    'A message whose names or headers cannot be sent is refused before it is sent',
    async ({ serve, topic, until }) => {
      const service = await serve([{ on: topic(), handle() {} }]);
      const refused = { code: 'INVALID_MESSAGE' };
      await assert.rejects(service.publish(topic('a b'), 1), refused);
      await assert.rejects(service.publish(topic('*'), 1), refused);
      await assert.rejects(service.publish(topic(), 1, { headers: { 'a:b': 'x' } }), refused);
      await assert.rejects(service.publish(topic(), 1, { headers: { a: 'x\r\ny' } }), refused);
      await assert.rejects(service.publish(topic(), 1, { headers: { CC: 'x' } }), refused);
      await assert.rejects(
        service.publish(topic(), () => 1),
        refused,
      );
      await service.publish(topic(), 'fine');
      await until(() => service.count('handled') === 1, 'one that can be sent');
    },
  );
});
