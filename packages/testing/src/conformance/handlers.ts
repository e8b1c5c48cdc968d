import assert from 'node:assert/strict';
import { DeadLetter, Discard, RetryLater } from '@nest-messaging/core/contract';
import type { MessageContext } from '@nest-messaging/core/engine';
import { byFirstLetter } from './by-first-letter.js';
import { concern } from './guarantee.js';
import { gate } from './probe.js';
import { assertTakes } from './timing.js';

const failures: readonly (readonly [string, () => unknown])[] = [
  [
    'an error',
    () => {
      throw new Error('broken');
    },
  ],
  ['a rejected promise', () => Promise.reject(new TypeError('broken later'))],
  [
    'text',
    () => {
      throw 'broken'; // oxlint-disable-line no-throw-literal
    },
  ],
  [
    '`undefined`',
    () => {
      throw undefined; // oxlint-disable-line no-throw-literal
    },
  ],
  [
    'a frozen object',
    () => {
      throw Object.freeze({ why: 'broken' }); // oxlint-disable-line no-throw-literal
    },
  ],
];

export const handlers = concern('Failing handlers', (states) => {
  for (const [what, fail] of failures)
    states(
      `A handler that throws ${what} is tried as often as configured, then its message is set aside`,
      async ({ serve, topic, until }) => {
        const attempts: number[] = [];
        const handle = (_: unknown, { attempt }: MessageContext): unknown => {
          attempts.push(attempt);
          return fail();
        };
        const service = await serve([{ on: topic(), handle }]);
        await service.publish(topic(), { n: 1 }, { headers: { colour: 'red' } });
        await until(async () => (await service.deadLetters(topic())).length === 1, 'the dead letter');
        assert.deepEqual(attempts, [1, 2, 3]);
        const [letter] = await service.deadLetters(topic());
        assert.equal(letter!.attempts, 3);
        assert.equal(Buffer.from(letter!.message.body).toString(), '{"n":1}');
        assert.deepEqual({ ...letter!.message.headers }, { colour: 'red' });
        assert.ok(
          letter!.failure.name.length > 0 && letter!.failure.message.length > 0,
          'it does not say why',
        );
      },
    );

  states(
    'A handler that fails twice and then succeeds has its delays as configured, and leaves no dead letter',
    async ({ serve, topic, until, clock }) => {
      const at: number[] = [];
      const handle = (): void => {
        at.push(clock.now());
        if (at.length % 3 !== 0) throw new Error('not yet');
      };
      const retry = { attempts: 5, backoff: { initial: 1_500, factor: 2, jitter: 0 } };
      const service = await serve([{ on: topic(), options: { retry }, handle }]);
      await assertTakes({ 'the second attempt': 1_500, 'the third attempt': 3_000 }, async () => {
        const before = service.count('handled');
        await service.publish(topic(), {});
        await until(() => service.count('handled') === before + 1, 'it to succeed');
        const [first, second, third] = at.slice(-3) as [number, number, number];
        return { 'the second attempt': second - first, 'the third attempt': third - second };
      });
      assert.deepEqual(await service.deadLetters(topic()), []);
    },
    { waits: true },
  );

  states(
    'A group that succeeds never sees a message again because another fails',
    async ({ serve, topic, group, until }) => {
      const seen: unknown[] = [];
      const fine = await serve(
        [{ on: topic(), options: { concurrency: 1 }, handle: (payload) => void seen.push(payload) }],
        { service: group('fine') },
      );
      const failing = await serve(
        [
          {
            on: topic(),
            handle() {
              throw new Error('broken');
            },
          },
        ],
        { service: group('failing') },
      );
      await fine.publish(topic(), 'once');
      await until(async () => (await failing.deadLetters(topic())).length === 1, 'the dead letter');
      await fine.publish(topic(), 'last');
      await until(() => seen.includes('last'), 'the last message');
      assert.deepEqual(seen, ['once', 'last']);
    },
  );

  states(
    'A handler that never returns has failed when its time is up, and holds up nobody',
    async ({ serve, topic, until }) => {
      const aborted: boolean[] = [];
      const handle = (payload: unknown, { signal }: MessageContext): unknown => {
        if (payload !== 'hangs') return undefined;
        signal.addEventListener('abort', () => aborted.push(true));
        return new Promise(() => {});
      };
      const options = { concurrency: 1, timeout: 500, retry: { attempts: 2 } };
      const service = await serve([{ on: topic(), options, handle }]);
      await service.publish(topic(), 'hangs');
      for (let i = 0; i < 3; i++) await service.publish(topic(), 'fine');
      await until(() => service.count('handled') === 3, 'the three others');
      await until(async () => (await service.deadLetters(topic())).length === 1, 'the dead letter');
      const [letter] = await service.deadLetters(topic());
      assert.equal(letter!.failure.code, 'HANDLER_TIMEOUT');
      assert.deepEqual(aborted, [true, true], 'the handler was not told');
    },
    { waits: true },
  );

  states(
    'A handler may take an hour, where its time-out says so',
    async ({ serve, topic, until, clock }) => {
      const handle = (): Promise<void> => new Promise((resolve) => void clock.schedule(resolve, 3_600_000));
      const service = await serve([{ on: topic(), options: { timeout: '2h' }, handle }]);
      await service.publish(topic(), {});
      await until(() => service.count('handled') === 1, 'it to be handled after an hour', 2 * 3_600_000);
    },
    {
      // A broker that lets messages be held without end has no clock but the test's, so that the hour takes no time.
      support: ({ maxHold }) => (maxHold === Number.POSITIVE_INFINITY ? 'native' : false),
      refusal: async ({ serve, topic, capabilities }) => {
        const options = { timeout: capabilities.maxHold + 1 };
        await assert.rejects(serve([{ on: topic(), options, handle() {} }]), { code: 'UNSUPPORTED' });
      },
    },
  );

  states(
    '`RetryLater` says when the next attempt is due',
    async ({ serve, topic, until, clock }) => {
      const at: number[] = [];
      const handle = (): void => {
        at.push(clock.now());
        if (at.length % 2 !== 0) throw new RetryLater('2s');
      };
      const service = await serve([{ on: topic(), handle }]);
      await assertTakes({ 'the second attempt': 2_000 }, async () => {
        const before = service.count('handled');
        await service.publish(topic(), {});
        await until(() => service.count('handled') === before + 1, 'it to succeed');
        const [first, second] = at.slice(-2) as [number, number];
        return { 'the second attempt': second - first };
      });
    },
    { waits: true },
  );

  states('`DeadLetter` sets a message aside at once, with its reason', async ({ serve, topic, until }) => {
    let calls = 0;
    const handle = (): void => {
      calls++;
      throw new DeadLetter('no such customer');
    };
    const service = await serve([{ on: topic(), handle }]);
    await service.publish(topic(), {});
    await until(async () => (await service.deadLetters(topic())).length === 1, 'the dead letter');
    assert.equal(calls, 1);
    assert.equal((await service.deadLetters(topic()))[0]!.failure.message, 'no such customer');
  });

  states('`Discard` is the end of a message, and is counted', async ({ serve, topic, until }) => {
    const seen: unknown[] = [];
    const handle = (payload: unknown): void => {
      seen.push(payload);
      if (payload === 'useless') throw new Discard('nobody asked');
    };
    const service = await serve([{ on: topic(), options: { concurrency: 1 }, handle }]);
    await service.publish(topic(), 'useless');
    await until(() => service.count('discarded') === 1, 'it to be discarded');
    await service.publish(topic(), 'last');
    await until(() => seen.includes('last'), 'the last message');
    assert.deepEqual(seen, ['useless', 'last']);
    assert.equal(service.count('discarded'), 1);
    assert.deepEqual(await service.deadLetters(topic()), []);
  });

  states('Errors that a handler names under `never` are not retried', async ({ serve, topic, until }) => {
    let calls = 0;
    const handle = (): void => {
      calls++;
      throw new RangeError('never good');
    };
    const service = await serve([{ on: topic(), options: { retry: { never: [RangeError] } }, handle }]);
    await service.publish(topic(), {});
    await until(async () => (await service.deadLetters(topic())).length === 1, 'the dead letter');
    assert.equal(calls, 1);
  });

  states('A redriven message has all its attempts again', async ({ serve, topic, until }) => {
    const attempts: number[] = [];
    const service = await serve([
      {
        on: topic(),
        handle(_, { attempt }) {
          attempts.push(attempt);
          throw new Error('still broken');
        },
      },
    ]);
    await service.publish(topic(), { n: 1 });
    const source = { kind: 'topic', name: topic() } as const;
    const group = service.used.environment.service;
    await until(() => service.count('dead-lettered') === 1, 'it to be set aside');
    await until(async () => (await service.deadLetters(topic())).length === 1, 'the dead letter');
    assert.deepEqual(await service.engine.deadLetters.redrive({ source, group }, 'all'), { count: 1 });
    await until(() => service.count('dead-lettered') === 2, 'it to be set aside again');
    assert.deepEqual(attempts, [1, 2, 3, 1, 2, 3]);
  });

  states('No more handlers run at a time than `concurrency` says', async ({ serve, topic, until }) => {
    let running = 0;
    let most = 0;
    const door = gate();
    const handle = async (): Promise<void> => {
      most = Math.max(most, ++running);
      await door.opened;
      await new Promise((resolve) => setImmediate(resolve));
      running--;
    };
    const service = await serve([{ on: topic(), options: { concurrency: 4 }, handle }]);
    await Promise.all(Array.from({ length: 300 }, (_, i) => service.publish(topic(), i)));
    await until(() => running === 4, 'four handlers to run');
    door.open();
    await until(() => service.count('handled') === 300, 'all of them');
    assert.equal(most, 4);
  });

  states(
    'A broadcast that fails is tried again in its process, and is counted at last',
    async ({ serve, topic, until }) => {
      const attempts: number[] = [];
      const handle = (_: unknown, { attempt }: MessageContext): void => {
        attempts.push(attempt);
        throw new Error('broken');
      };
      const service = await serve([{ on: topic(), options: { broadcast: true }, handle }]);
      await service.publish(topic(), {});
      await until(() => service.count('discarded') === 1, 'the end of its attempts');
      assert.deepEqual(attempts, [1, 2, 3]);
    },
    {
      support: ({ broadcast }) => broadcast,
      refusal: async ({ serve, topic }) => {
        const starting = serve([{ on: topic(), options: { broadcast: true }, handle() {} }]);
        await assert.rejects(starting, { code: 'UNSUPPORTED' });
      },
    },
  );

  const ordered = {
    waits: true,
    support: ({ ordered: support }: { ordered: 'native' | 'emulated' | false }) => support,
    refusal: async ({ serve, topic }: Parameters<Parameters<typeof states>[1]>[0]) => {
      const starting = serve([{ on: topic(), options: { ordered: true }, handle() {} }]);
      await assert.rejects(starting, { code: 'UNSUPPORTED' });
    },
  };

  states(
    'In an ordered subscription, a failing message holds up its own key alone, and its key in order',
    async ({ serve, topic, until }) => {
      const seen: string[] = [];
      const handle = (payload: string, { attempt }: MessageContext): void => {
        seen.push(payload);
        if (payload === 'a1' && attempt < 3) throw new Error('not yet');
      };
      const retry = { attempts: 3, backoff: { initial: 2_000, factor: 1, jitter: 0 } };
      const on = byFirstLetter(topic());
      const service = await serve([{ on, options: { ordered: true, retry }, handle }]);
      for (const text of ['a1', 'b1', 'a2', 'b2', 'a3']) await service.publish(on, text);
      await until(() => service.count('handled') === 5, 'all five');
      assert.deepEqual(
        seen.filter((text) => text.startsWith('a')),
        ['a1', 'a1', 'a1', 'a2', 'a3'],
      );
      assert.deepEqual(
        seen.filter((text) => text.startsWith('b')),
        ['b1', 'b2'],
      );
      assert.ok(seen.indexOf('b2') < seen.lastIndexOf('a1'), 'the other key was held up');
    },
    ordered,
  );

  states(
    'In an ordered subscription, a key goes on after a message that was set aside',
    async ({ serve, topic, until }) => {
      const seen: string[] = [];
      const handle = (payload: string): void => {
        seen.push(payload);
        if (payload === 'k bad') throw new Error('broken');
      };
      const on = byFirstLetter(topic());
      const service = await serve([{ on, options: { ordered: true }, handle }]);
      for (const text of ['k bad', 'k good']) await service.publish(on, text);
      await until(() => service.count('handled') === 1, 'the one that is good');
      assert.deepEqual(seen, ['k bad', 'k bad', 'k bad', 'k good']);
      await until(async () => (await service.deadLetters(topic())).length === 1, 'the dead letter');
      const [letter] = await service.deadLetters(topic());
      assert.equal(letter!.attempts, 3, 'attempts in place are not counted');
    },
    { ...ordered, waits: false },
  );

  states(
    'A handler that is still busy does not hold up those of other subscriptions',
    async ({ serve, topic, until }) => {
      const door = gate();
      const service = await serve([
        { on: topic('slow'), options: { concurrency: 1 }, handle: () => door.opened },
        { on: topic('quick'), handle() {} },
      ]);
      await service.publish(topic('slow'), {});
      for (let i = 0; i < 5; i++) await service.publish(topic('quick'), i);
      await until(() => service.count('handled') === 5, 'five quick ones');
      door.open();
    },
  );
});
