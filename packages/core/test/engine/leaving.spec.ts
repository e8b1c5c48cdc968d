import { describe, expect, it } from '@jest/globals';
import type { Delivery, DeliveryHandler } from '../../src/contract/index.js';
import type { HandlerOptions } from '../../src/engine/handler-options.js';
import type { BatchContext, MessageContext } from '../../src/engine/index.js';
import { deferred } from '../../src/engine/deferred.js';
import { dispatcherOf } from '../support/dispatcher.js';

/** The dispatcher of one handler, as a transport sees it that moves deliveries to other processes. */
function dispatching(
  invoke: (payload: any, context: any) => unknown,
  options: HandlerOptions,
): DeliveryHandler {
  return dispatcherOf(invoke, { retry: { attempts: 3, backoff: { initial: '1h' } }, ...options }).dispatch;
}

/** Deliveries of one partition: it can be given up, and it can be lost. */
function partition() {
  const [leaving, lost] = [new AbortController(), new AbortController()];
  let count = 0;
  const delivery = (payload: string, key = 'k'): Delivery => ({
    attempt: 1,
    deaths: 0,
    raw: undefined,
    leaving: leaving.signal,
    lost: lost.signal,
    message: {
      id: `m${++count}`,
      destination: { kind: 'topic', name: 't' },
      body: Buffer.from(JSON.stringify(payload)),
      contentType: 'application/json',
      headers: {},
      key,
    },
  });
  return { delivery, leave: () => leaving.abort(), lose: () => lost.abort(new Error('gone')) };
}

describe('deliveries that are to go to another process', () => {
  it('are released where they wait behind their key, and what runs ends', async () => {
    const { delivery, leave } = partition();
    const door = deferred();
    const began: string[] = [];
    const dispatch = dispatching(
      async (payload: string, { signal }: MessageContext) => {
        began.push(payload);
        await door.promise;
        expect(signal.aborted).toBe(false);
      },
      { ordered: true, concurrency: 1 },
    );
    const settled = ['first', 'second'].map((payload) => dispatch(delivery(payload)));
    const elsewhere = dispatch(delivery('waits for a slot', 'other'));
    await new Promise(setImmediate);
    leave();
    expect(await elsewhere).toEqual({ type: 'release' });
    door.resolve();
    expect(await Promise.all(settled)).toEqual([{ type: 'acknowledge' }, { type: 'release' }]);
    expect(began).toEqual(['first']);
  });

  it('are released between two attempts in place, without waiting for the next', async () => {
    const { delivery, leave } = partition();
    const failed = deferred();
    const dispatch = dispatching(
      () => {
        failed.resolve();
        throw new Error('not now');
      },
      { ordered: true },
    );
    const settled = dispatch(delivery('fails'));
    await failed.promise;
    leave();
    expect(await settled).toEqual({ type: 'release' });
  });

  it('are released where they wait for a batch to fill', async () => {
    const { delivery, leave } = partition();
    const staying = partition();
    const batches: string[][] = [];
    const dispatch = dispatching((payloads: string[]) => void batches.push(payloads), {
      batch: { size: 2, wait: '1h' },
    });
    const waits = dispatch(delivery('waits'));
    await new Promise(setImmediate);
    leave();
    expect(await waits).toEqual({ type: 'release' });
    expect(await dispatch(delivery('comes too late'))).toEqual({ type: 'release' });
    await Promise.all([dispatch(staying.delivery('a')), dispatch(staying.delivery('b'))]);
    expect(batches).toEqual([['a', 'b']]);
  });
});

describe('a delivery that another process may have already', () => {
  it('tells its handler, and counts no failure', async () => {
    const { delivery, lose } = partition();
    const began = deferred<AbortSignal>();
    const dispatch = dispatching(
      (_, { signal }: MessageContext) => {
        began.resolve(signal);
        return new Promise(() => undefined);
      },
      { ordered: true },
    );
    const settled = dispatch(delivery('runs'));
    const behind = dispatch(delivery('waits behind it'));
    const signal = await began.promise;
    lose();
    expect(await Promise.all([settled, behind])).toEqual([{ type: 'release' }, { type: 'release' }]);
    expect((signal.reason as Error).message).toBe('gone');
  });

  it('is told alone in its batch, the others of which go on', async () => {
    const [mine, other] = [partition(), partition()];
    const door = deferred();
    const running = deferred<BatchContext>();
    const dispatch = dispatching(
      async (_: string[], batch: BatchContext) => {
        running.resolve(batch);
        await door.promise;
        batch.fail(batch.messages[0]!, new Error('told to stop'));
      },
      { batch: { size: 2 } },
    );
    const settled = [dispatch(mine.delivery('lost')), dispatch(other.delivery('kept'))];
    const { messages, signal } = await running.promise;
    mine.lose();
    expect(messages.map((message) => message.signal.aborted)).toEqual([true, false]);
    expect(signal.aborted).toBe(false);
    door.resolve();
    expect(await Promise.all(settled)).toEqual([{ type: 'release' }, { type: 'acknowledge' }]);
  });
});
