import assert from 'node:assert/strict';
import { DeadLetter } from '@nest-messaging/core/contract';
import type { BatchContext } from '@nest-messaging/core/engine';
import { byFirstLetter } from './by-first-letter.js';
import { concern } from './guarantee.js';
import { gate } from './probe.js';
import { assertTakes } from './timing.js';

/** Longer than any test waits for what it observes: a batch that comes all the same was complete. */
const ENDLESS = '60s';

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Fails the one message of a batch that has this payload. */
function failOne(payloads: readonly unknown[], batch: BatchContext, bad: unknown): void {
  const at = payloads.indexOf(bad);
  if (at >= 0) batch.fail(batch.messages[at]!, new Error('broken'));
}

export const batches = concern('Batches', (states) => {
  states('A handler of batches gets as many messages at a time as it asks for', async (stage) => {
    const { serve, topic, until } = stage;
    const seen: [number[], (string | undefined)[]][] = [];
    const service = await serve([
      {
        on: topic(),
        options: { batch: { size: 4, wait: ENDLESS } },
        handleBatch: (payloads: number[], { messages }) =>
          void seen.push([payloads, messages.map(({ key }) => key)]),
      },
    ]);
    await Promise.all(numbers(12).map((n) => service.publish(topic(), n, { key: `${n}` })));
    await until(() => service.count('handled') === 12, 'all of them');
    assert.deepEqual(
      seen.map(([payloads]) => payloads.length),
      [4, 4, 4],
    );
    for (const [payloads, keys] of seen)
      assert.deepEqual(payloads.map(String), keys, 'not each beside its own');
    const all = seen.flatMap(([payloads]) => payloads);
    assert.deepEqual(
      all.sort((a, b) => a - b),
      numbers(12),
    );
  });

  states(
    'A batch that does not fill is handed over when its first message has waited long enough',
    async ({ serve, topic, until, clock }) => {
      const seen: { count: number; waited: number }[] = [];
      const service = await serve([
        {
          on: topic(),
          options: { batch: { size: 10, wait: 2_000 } },
          handleBatch(payloads, { messages }) {
            const since = Math.min(...messages.map(({ receivedAt }) => receivedAt.getTime()));
            seen.push({ count: payloads.length, waited: clock.now() - since });
          },
        },
      ]);
      await assertTakes({ 'the batch': 2_000 }, async () => {
        const before = service.count('handled');
        await Promise.all(numbers(3).map((n) => service.publish(topic(), n)));
        await until(() => service.count('handled') === before + 3, 'all three');
        const { count, waited } = seen.at(-1)!;
        assert.equal(count, 3);
        return { 'the batch': waited };
      });
    },
    { waits: true },
  );

  states('No more batches are handled at a time than `concurrency` says, and all fill', async (stage) => {
    const { serve, topic, until } = stage;
    const door = gate();
    let running = 0;
    let most = 0;
    const sizes: number[] = [];
    const service = await serve([
      {
        on: topic(),
        options: { concurrency: 2, batch: { size: 5, wait: ENDLESS } },
        async handleBatch(payloads) {
          most = Math.max(most, ++running);
          sizes.push(payloads.length);
          await door.opened;
          await new Promise((resolve) => setImmediate(resolve));
          running--;
        },
      },
    ]);
    await Promise.all(numbers(30).map((n) => service.publish(topic(), n)));
    await until(() => running === 2, 'two batches to be handled');
    door.open();
    await until(() => service.count('handled') === 30, 'all of them');
    assert.equal(most, 2);
    assert.deepEqual(sizes, Array(6).fill(5));
  });

  states(
    'A message of a batch that fails is retried and set aside alone; the others are done',
    async ({ serve, topic, until }) => {
      const attempts: Record<string, number[]> = { a: [], bad: [], c: [] };
      const service = await serve([
        {
          on: topic(),
          options: { batch: { size: 3, wait: 300 } },
          handleBatch(payloads: string[], batch) {
            payloads.forEach((payload, i) => attempts[payload]!.push(batch.messages[i]!.attempt));
            failOne(payloads, batch, 'bad');
          },
        },
      ]);
      await Promise.all(['a', 'bad', 'c'].map((payload) => service.publish(topic(), payload)));
      await until(async () => (await service.deadLetters(topic())).length === 1, 'the dead letter');
      assert.deepEqual(attempts, { a: [1], bad: [1, 2, 3], c: [1] });
      const [letter] = await service.deadLetters(topic());
      assert.equal(letter!.attempts, 3);
      assert.equal(letter!.failure.message, 'broken');
      assert.equal(Buffer.from(letter!.message.body).toString(), '"bad"');
      assert.equal(service.count('handled'), 2);
    },
  );

  states(
    'A batch whose handler throws is retried, and each of its messages counts its own attempts',
    async ({ serve, topic, until }) => {
      const attempts: Record<string, number[]> = { a: [], b: [] };
      const service = await serve([
        {
          on: topic(),
          options: { batch: { size: 2, wait: 300 } },
          handleBatch(payloads: string[], { messages }) {
            payloads.forEach((payload, i) => attempts[payload]!.push(messages[i]!.attempt));
            if (messages.some(({ attempt }) => attempt === 1)) throw new Error('not yet');
          },
        },
      ]);
      await Promise.all(['a', 'b'].map((payload) => service.publish(topic(), payload)));
      await until(() => service.count('handled') === 2, 'both to succeed');
      assert.deepEqual(attempts, { a: [1, 2], b: [1, 2] });
      assert.deepEqual(await service.deadLetters(topic()), []);
    },
  );

  states(
    'No message is set aside because another of its batch fails: the last attempt of each is its own',
    async ({ serve, topic, until }) => {
      const service = await serve([
        {
          on: topic(),
          options: { batch: { size: 3, wait: 300 } },
          handleBatch(payloads: string[]) {
            if (payloads.includes('bad')) throw new Error('broken');
          },
        },
      ]);
      await Promise.all(['a', 'bad', 'c'].map((payload) => service.publish(topic(), payload)));
      await until(() => service.count('handled') === 2, 'the two that are good');
      await until(async () => (await service.deadLetters(topic())).length === 1, 'the dead letter');
      const [letter] = await service.deadLetters(topic());
      assert.equal(Buffer.from(letter!.message.body).toString(), '"bad"');
    },
  );

  states(
    'Poison in a batch is set aside alone, at its first attempt, and the rest is handled',
    async ({ open, serve, topic, until }) => {
      const seen: unknown[] = [];
      const service = await serve([
        {
          on: topic(),
          options: { batch: { size: 3, wait: ENDLESS } },
          handleBatch: (payloads, { messages }) => void seen.push(...payloads, messages.length),
        },
      ]);
      const producer = await open();
      await Promise.all(['1', '{"cut', '1'].map((body) => producer.publish(topic(), { body })));
      await until(() => service.count('handled') === 2, 'the two that are good');
      await until(async () => (await service.deadLetters(topic())).length === 1, 'the dead letter');
      assert.deepEqual(seen, [1, 1, 2]);
      assert.equal((await service.deadLetters(topic()))[0]!.attempts, 1);
    },
  );

  states(
    'A message that a handler has called done stays so when the rest of its batch fails',
    async ({ serve, topic, until }) => {
      const seen: unknown[] = [];
      const service = await serve([
        {
          on: topic(),
          options: { batch: { size: 2, wait: 300 } },
          handleBatch(payloads: string[], batch) {
            seen.push(...payloads);
            const at = payloads.indexOf('done');
            if (at >= 0) batch.done(batch.messages[at]!);
            throw new DeadLetter('the rest');
          },
        },
      ]);
      await Promise.all(['done', 'rest'].map((payload) => service.publish(topic(), payload)));
      await until(async () => (await service.deadLetters(topic())).length === 1, 'the dead letter');
      assert.equal(service.count('handled'), 1);
      assert.deepEqual(new Set(seen), new Set(['done', 'rest']));
      assert.equal(seen.length, 2, 'what was done came again');
    },
  );

  states(
    'Shutdown while a batch gathers waits for nothing and loses nothing',
    async ({ serve, topic, until, clock }) => {
      const options = { batch: { size: 10, wait: ENDLESS } } as const;
      const first = await serve([
        {
          on: topic(),
          options,
          handleBatch() {
            assert.fail('the batch was not complete');
          },
        },
      ]);
      await Promise.all(numbers(3).map((n) => first.publish(topic(), n)));
      let gathered = false;
      clock.schedule(() => (gathered = true), 500);
      await until(() => gathered, 'time to pass');
      const began = clock.now();
      let drained: boolean | undefined;
      void first.engine.drain(20_000).then((all) => (drained = all));
      await until(() => drained !== undefined, 'the end of draining');
      assert.equal(drained, true);
      assert.ok(clock.now() - began < 2_000, `draining took ${clock.now() - began} ms`);
      await first.engine.close();
      const seen: [unknown, number][] = [];
      const second = await serve([
        {
          on: topic(),
          options: { batch: { size: 3, wait: ENDLESS } },
          handleBatch(payloads, { messages }) {
            payloads.forEach((payload, i) => seen.push([payload, messages[i]!.attempt]));
          },
        },
      ]);
      await until(() => second.count('handled') === 3, 'all of them in the next process');
      assert.deepEqual(
        seen.sort(([a], [b]) => Number(a) - Number(b)),
        [
          [0, 1],
          [1, 1],
          [2, 1],
        ],
      );
    },
    { waits: true },
  );

  states(
    'In an ordered subscription, batches keep the order of each key, retries included',
    async ({ serve, topic, until }) => {
      const seen: string[] = [];
      const on = byFirstLetter(topic());
      const service = await serve([
        {
          on,
          options: { ordered: true, concurrency: 3, batch: { size: 4, wait: 300 } },
          handleBatch(payloads: string[], batch) {
            seen.push(...payloads);
            const at = payloads.indexOf('a1');
            if (at >= 0 && batch.messages[at]!.attempt === 1)
              batch.fail(batch.messages[at]!, new Error('not yet'));
          },
        },
      ]);
      const names = ['a0', 'b0', 'a1', 'a2', 'b1', 'a3', 'b2', 'a4', 'b3'];
      for (const name of names) await service.publish(on, name);
      await until(() => service.count('handled') === names.length, 'all of them');
      // What stood behind the one that failed came again, behind it: the last time counts.
      const last = names.toSorted((one, other) => seen.lastIndexOf(one) - seen.lastIndexOf(other));
      for (const key of 'ab')
        assert.deepEqual(
          last.filter((name) => name.startsWith(key)),
          names.filter((name) => name.startsWith(key)),
        );
      assert.equal(seen.filter((name) => name === 'a1').length, 2);
    },
    {
      support: ({ ordered }) => ordered,
      refusal: async ({ serve, topic }) => {
        const starting = serve([
          { on: topic(), options: { ordered: true, batch: { size: 2 } }, handleBatch() {} },
        ]);
        await assert.rejects(starting, { code: 'UNSUPPORTED' });
      },
    },
  );
});
