import { describe, expect, it } from '@jest/globals';
import { DeadLetter, Discard, RetryLater, type Delivery, type Settlement } from '../../src/contract/index.js';
import type { DispatcherParts } from '../../src/engine/dispatcher.js';
import { currentCause } from '../../src/engine/current-message.js';
import { deferred } from '../../src/engine/deferred.js';
import type { BatchHandlerOptions } from '../../src/engine/handler-options.js';
import type { BatchContext } from '../../src/engine/index.js';
import { turns } from '../../../testing/src/virtual-clock.js';
import { clockSetBack } from '../support/clock-set-back.js';
import { dispatcherOf, type Bench } from '../support/dispatcher.js';

/** The dispatcher of one handler of batches. */
const bench = (
  handle: (payloads: any[], batch: BatchContext) => unknown,
  options: Partial<BatchHandlerOptions> = {},
  parts: Partial<DispatcherParts> = {},
): Bench =>
  dispatcherOf(
    handle,
    { batch: { size: 3, wait: 5 }, retry: { attempts: 3, backoff: { initial: 0 } }, ...options },
    parts,
  );

let ids = 0;

function delivery(payload: unknown, own: Partial<Delivery> & Partial<Delivery['message']> = {}): Delivery {
  const { attempt = 1, deaths = 0, ...message } = own;
  return {
    attempt,
    deaths,
    raw: undefined,
    message: {
      id: `m${++ids}`,
      destination: { kind: 'topic', name: 't' },
      body: Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)),
      contentType: 'application/json',
      headers: {},
      ...message,
    },
  };
}

const types = (settlements: readonly Settlement[]): string[] => settlements.map(({ type }) => type);

describe('a batch', () => {
  it('that throws has failed with each of its messages', async () => {
    const { dispatch, events } = bench(
      (_, { messages }) => {
        throw new Error(`batch of ${messages.length}`);
      },
      { batch: { size: 2 } },
    );
    expect(types(await Promise.all([dispatch(delivery(1)), dispatch(delivery(2))]))).toEqual([
      'retry',
      'retry',
    ]);
    expect(events.map(({ type }) => type)).toEqual(['attempted', 'attempted', 'retried', 'retried']);
  });

  it('takes what `fail` is given for what a handler of that message threw', async () => {
    const errors = [
      new Error('plain'),
      new RetryLater('2s'),
      new DeadLetter('no'),
      new Discard('no'),
      new RangeError('never'),
    ];
    const { dispatch, events } = bench(
      (payloads: number[], batch) =>
        payloads.forEach((n, i) => errors[n] && batch.fail(batch.messages[i]!, errors[n])),
      {
        batch: { size: 6 },
        retry: { attempts: 3, backoff: { initial: 0 }, never: [RangeError] },
      },
    );
    const settled = await Promise.all([0, 1, 2, 3, 4, 5].map((n) => dispatch(delivery(n))));
    expect(types(settled)).toEqual([
      'retry',
      'retry',
      'dead-letter',
      'acknowledge',
      'dead-letter',
      'acknowledge',
    ]);
    expect(settled[1]).toMatchObject({ delay: 2_000 });
    expect(events.map(({ type }) => type).filter((type) => type !== 'attempted')).toEqual([
      'retried',
      'retried',
      'dead-lettered',
      'discarded',
      'dead-lettered',
      'handled',
    ]);
  });

  it('keeps what was done or failed when the handler throws, and takes the last word', async () => {
    const { dispatch } = bench((_, batch) => {
      const [first, second] = batch.messages as [never, never, never];
      batch.fail(first, new Error('too early'));
      batch.done(first);
      batch.done(second);
      batch.fail(second, new DeadLetter('its own'));
      throw new Error('the rest');
    });
    const settled = await Promise.all([1, 2, 3].map((n) => dispatch(delivery(n))));
    expect(types(settled)).toEqual(['acknowledge', 'dead-letter', 'retry']);
    expect(settled[1]).toMatchObject({ failure: { message: 'its own' } });
    expect(settled[2]).toMatchObject({ failure: { message: 'the rest' } });
  });

  it('refuses a message that is none of it', async () => {
    const batches: BatchContext[] = [];
    const { dispatch } = bench((_, batch) => void batches.push(batch), { batch: { size: 1 } });
    await dispatch(delivery(1));
    await dispatch(delivery(2));
    expect(() => batches[0]!.fail(batches[1]!.messages[0]!, new Error('late'))).toThrow(TypeError);
  });

  it('ends with its time: what was done stays so, the rest has failed', async () => {
    const aborted: boolean[] = [];
    const { dispatch } = bench(
      (_, batch) => {
        batch.done(batch.messages[0]!);
        batch.signal.addEventListener('abort', () => {
          aborted.push(true);
          // What it says when it is told is heard; what it says afterwards is not.
          batch.done(batch.messages[1]!);
          setImmediate(() => batch.done(batch.messages[2]!));
        });
        return new Promise(() => {});
      },
      { batch: { size: 3 }, timeout: 20 },
    );
    const settled = await Promise.all([1, 2, 3].map((n) => dispatch(delivery(n))));
    expect(types(settled)).toEqual(['acknowledge', 'acknowledge', 'retry']);
    expect(settled[2]).toMatchObject({ failure: { code: 'HANDLER_TIMEOUT' } });
    expect(aborted).toEqual([true]);
  });

  it('hands over neither poison nor what is late', async () => {
    const seen: unknown[] = [];
    const { dispatch } = bench(
      (payloads, { messages }) =>
        void seen.push(
          payloads,
          messages.map(({ key }) => key),
        ),
    );
    const settled = await Promise.all([
      dispatch(delivery('{"cut', { key: 'poison' })),
      dispatch(delivery(2, { key: 'fine' })),
      dispatch(delivery(3, { key: 'late', expiresAt: 1 })),
    ]);
    expect(types(settled)).toEqual(['dead-letter', 'acknowledge', 'acknowledge']);
    expect(seen).toEqual([[2], ['fine']]);
  });

  it('of poison alone calls no handler', async () => {
    const { dispatch } = bench(() => expect(true).toBe(false));
    const settled = await Promise.all([1, 2, 3].map(() => dispatch(delivery('{'))));
    expect(types(settled)).toEqual(['dead-letter', 'dead-letter', 'dead-letter']);
  });

  it('of what killed its process, or is tried for the last time, holds nothing else', async () => {
    const batches: unknown[][] = [];
    const { dispatch } = bench((payloads) => void batches.push(payloads), { batch: { size: 3, wait: '1h' } });
    await Promise.all([
      dispatch(delivery('"killer"', { deaths: 1 })),
      dispatch(delivery(1)),
      dispatch(delivery('"last"', { attempt: 3 })),
      dispatch(delivery(2)),
      dispatch(delivery('"again"', { attempt: 2 })),
    ]);
    expect(batches).toEqual([['killer'], ['last'], [1, 2, 'again']]);
  });

  it('never gets what killed its process too often', async () => {
    const { dispatch } = bench(() => expect(true).toBe(false));
    expect(await dispatch(delivery(1, { deaths: 3 }))).toMatchObject({ type: 'dead-letter', attempts: 3 });
  });

  it('is not held up by one that waits for a later retry in place', async () => {
    const { dispatch, events, stopping } = bench(
      (payloads) => {
        if (payloads.includes('later')) throw new RetryLater('1h');
      },
      { broadcast: true, batch: { size: 2, wait: 5 } },
    );
    const later = dispatch(delivery('"later"'));
    while (!events.some(({ type }) => type === 'retried'))
      await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(await dispatch(delivery(1))).toEqual({ type: 'acknowledge' });
    stopping.abort();
    expect(await later).toEqual({ type: 'release' });
  });

  it('runs beside no more than `concurrency`', async () => {
    let [running, most] = [0, 0];
    const { dispatch } = bench(
      async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 2));
        running--;
      },
      { concurrency: 2, batch: { size: 2, wait: 1 } },
    );
    await Promise.all(Array.from({ length: 20 }, (_, n) => dispatch(delivery(n))));
    expect(most).toBe(2);
  });

  it('is released at once when its subscription stops before it is complete', async () => {
    const { dispatch, stopping, events } = bench(() => undefined, { batch: { size: 2, wait: '1h' } });
    const settling = dispatch(delivery(1));
    await new Promise((resolve) => setImmediate(resolve));
    stopping.abort();
    expect(await settling).toEqual({ type: 'release' });
    expect(await dispatch(delivery(2))).toEqual({ type: 'release' });
    expect(events.map(({ type }) => type)).toEqual(['released', 'released']);
  });

  it('is handed over in time whatever becomes of the clock', async () => {
    const { clock, passing, setBack } = clockSetBack();
    const { dispatch } = bench(() => undefined, { batch: { size: 2, wait: '1s' } }, { clock });
    const settling = dispatch(delivery(1));
    await turns();
    setBack(3_600_000);
    await passing.advance(1_000);
    expect(await settling).toEqual({ type: 'acknowledge' });
  });

  it('hears of its end where its handler listens', async () => {
    const heard: unknown[] = [];
    const lost = [new AbortController(), new AbortController()] as const;
    const { dispatch, deadline } = bench(
      (_, { signal, messages }) => {
        signal.addEventListener('abort', () => heard.push(currentCause()?.correlationId));
        for (const each of messages)
          each.signal.addEventListener('abort', () => heard.push(currentCause()?.correlationId));
        lost[0].abort();
        return new Promise(() => {});
      },
      { batch: { size: 2 } },
    );
    const settling = Promise.all(
      lost.map(({ signal }) => dispatch({ ...delivery(1, { correlationId: 'c' }), lost: signal })),
    );
    while (heard.length === 0) await new Promise((resolve) => setImmediate(resolve));
    deadline.abort();
    await settling;
    expect(heard).toEqual(['c', 'c', 'c']);
  });

  it('that runs at the deadline is released, but for what was done', async () => {
    const began = deferred();
    const { dispatch, deadline } = bench(
      (_, batch) => {
        batch.done(batch.messages[0]!);
        batch.fail(batch.messages[1]!, new Error('because it was told to end'));
        began.resolve();
        return new Promise(() => {});
      },
      { batch: { size: 3 } },
    );
    const settling = Promise.all([1, 2, 3].map((n) => dispatch(delivery(n))));
    await began.promise;
    deadline.abort(new Error('over'));
    expect(types(await settling)).toEqual(['acknowledge', 'release', 'release']);
  });

  it('is the cause of what is published only where it has one message, and passes a shared conversation on', async () => {
    const causes: unknown[] = [];
    const { dispatch } = bench(
      () => {
        const { id, correlationId } = currentCause()!;
        causes.push([id, correlationId]);
      },
      { batch: { size: 2, wait: '1h' } },
    );
    await Promise.all([
      dispatch(delivery(1, { correlationId: 'c' })),
      dispatch(delivery(2, { correlationId: 'c' })),
    ]);
    await Promise.all([dispatch(delivery(1, { correlationId: 'c' })), dispatch(delivery(2))]);
    await dispatch(delivery(1, { id: 'alone', correlationId: 'c', deaths: 1 }));
    expect(causes).toEqual([
      [undefined, 'c'],
      [undefined, undefined],
      ['alone', 'c'],
    ]);
  });
});

describe('a batch in order', () => {
  const ordered = (key: string, own: Partial<Delivery> = {}) => delivery(`"${key}"`, { key: key[0], ...own });

  it('holds several of a key, and what stands behind one that is tried again comes after it again', async () => {
    const batches: string[][] = [];
    const { dispatch } = bench(
      (payloads: string[], batch) => {
        batches.push(payloads);
        const at = payloads.indexOf('a2');
        if (at >= 0 && batches.length === 1) batch.fail(batch.messages[at]!, new Error('not yet'));
      },
      { ordered: true, batch: { size: 5, wait: 5 }, retry: { attempts: 5, backoff: { initial: 0 } } },
    );
    const settled = await Promise.all(['a1', 'a2', 'b1', 'a3', 'b2'].map((name) => dispatch(ordered(name))));
    expect(types(settled)).toEqual(Array(5).fill('acknowledge'));
    expect(batches).toEqual([
      ['a1', 'a2', 'b1', 'a3', 'b2'],
      ['a2', 'a3'],
    ]);
  });

  it('counts no attempt for what stood behind', async () => {
    const attempts: [string, number][] = [];
    const { dispatch } = bench(
      (payloads: string[], batch) => {
        payloads.forEach((name, i) => attempts.push([name, batch.messages[i]!.attempt]));
        const at = payloads.indexOf('a1');
        if (at >= 0) batch.fail(batch.messages[at]!, new Error('never'));
      },
      { ordered: true, batch: { size: 2, wait: 5 } },
    );
    const settled = await Promise.all([dispatch(ordered('a1')), dispatch(ordered('a2'))]);
    expect(settled).toMatchObject([{ type: 'dead-letter', attempts: 3 }, { type: 'acknowledge' }]);
    expect(attempts).toEqual([
      ['a1', 1],
      ['a2', 1],
      ['a1', 2],
      ['a2', 1],
      ['a1', 3],
      ['a2', 1],
    ]);
  });

  it('tells once that it is released, also of what stood behind as its subscription stopped', async () => {
    const { dispatch, events, stopping } = bench(
      (_, batch) => {
        batch.fail(batch.messages[0]!, new Error('not yet'));
        stopping.abort();
      },
      { ordered: true, batch: { size: 2 } },
    );
    const settled = await Promise.all([dispatch(ordered('a1')), dispatch(ordered('a2'))]);
    expect(types(settled)).toEqual(['release', 'release']);
    expect(events.map(({ type }) => type)).toEqual([
      'attempted',
      'attempted',
      'retried',
      'released',
      'released',
    ]);
  });

  it('never has a key in two batches that run, while other keys go on', async () => {
    const running = new Set<string>();
    const seen: string[] = [];
    let most = 0;
    const { dispatch } = bench(
      async (payloads: string[]) => {
        const keys = new Set(payloads.map((name) => name[0]!));
        for (const key of keys) {
          expect(running.has(key)).toBe(false);
          running.add(key);
        }
        most = Math.max(most, running.size);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
        seen.push(...payloads);
        keys.forEach((key) => running.delete(key));
      },
      { ordered: true, concurrency: 3, batch: { size: 4, wait: 1 } },
    );
    const names = Array.from({ length: 90 }, (_, n) => `${'abc'[n % 3]}${n}`);
    await Promise.all(names.map((name) => dispatch(ordered(name))));
    for (const key of 'abc')
      expect(seen.filter((name) => name[0] === key)).toEqual(names.filter((name) => name[0] === key));
    expect(most).toBeGreaterThan(1);
  });

  it('releases at once what waits for its retry in place when its subscription stops', async () => {
    const { dispatch, stopping, events } = bench(
      () => {
        throw new RetryLater('1h');
      },
      { ordered: true, batch: { size: 2 } },
    );
    const settling = Promise.all([dispatch(ordered('a1')), dispatch(ordered('a2'))]);
    while (!events.some(({ type }) => type === 'retried'))
      await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    stopping.abort();
    expect(types(await settling)).toEqual(['release', 'release']);
  });
});

it('a batch that waits for a slot has one as soon as there are more', async () => {
  const doors = [deferred(), deferred()];
  let running = 0;
  const { dispatch, resize } = bench(() => doors[running++]!.promise, {
    concurrency: 1,
    batch: { size: 1, wait: 0 },
  });
  const settled = Promise.all([dispatch(delivery(1)), dispatch(delivery(2))]);
  while (running < 1) await new Promise((resolve) => setImmediate(resolve));
  expect(running).toBe(1);
  resize(2);
  while (running < 2) await new Promise((resolve) => setImmediate(resolve));
  for (const door of doors) door.resolve();
  expect(types(await settled)).toEqual(['acknowledge', 'acknowledge']);
});
