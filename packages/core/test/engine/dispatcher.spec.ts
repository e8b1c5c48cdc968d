import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from '@jest/globals';
import type { Delivery } from '../../src/contract/index.js';
import { deferred, type Deferred } from '../../src/engine/deferred.js';
import { turns, virtualClock } from '../../../testing/src/virtual-clock.js';
import { dispatcherOf } from '../support/dispatcher.js';

const delivery = (payload: string): Delivery => ({
  attempt: 1,
  deaths: 0,
  raw: undefined,
  message: {
    id: payload,
    destination: { kind: 'topic', name: 't' },
    body: Buffer.from(JSON.stringify(payload)),
    contentType: 'application/json',
    headers: {},
    key: 'k',
  },
});

/** By it the engine cannot tell what a failure is. */
class Undecided extends Error {
  static override [Symbol.hasInstance](): boolean {
    throw new Error('this class cannot be asked');
  }
}

describe('a delivery', () => {
  it('that waits for the application to open is not overtaken by one that comes as it opens', async () => {
    let opening: Deferred<void> | undefined = deferred();
    const handled: unknown[] = [];
    const { dispatch } = dispatcherOf(
      (payload) => void handled.push(payload),
      { ordered: true },
      { opening: () => opening?.promise },
    );
    const before = ['first', 'second'].map((payload) => dispatch(delivery(payload)));
    expect(handled).toEqual([]);
    opening.resolve();
    opening = undefined;
    await Promise.all([...before, dispatch(delivery('third'))]);
    expect(handled).toEqual(['first', 'second', 'third']);
  });

  it('knows nothing of what a handler before it has entered', async () => {
    const tenant = new AsyncLocalStorage<unknown>();
    const found: unknown[] = [];
    const { dispatch } = dispatcherOf((payload) => {
      found.push(tenant.getStore());
      tenant.enterWith(payload);
    }, {});
    await Promise.all([dispatch(delivery('first')), dispatch(delivery('second'))]);
    await dispatch(delivery('third'));
    expect(found).toEqual([undefined, undefined, undefined]);
  });

  it('stays with the broker, and does not come back at once, where the engine cannot tell what its failure is', async () => {
    const fails = (): never => {
      throw new Error('wrong');
    };
    const { dispatch, events } = dispatcherOf(fails, { retry: { never: [Undecided] } });
    expect(await dispatch(delivery('m1'))).toMatchObject({
      type: 'retry',
      delay: 60_000,
      failure: { message: 'this class cannot be asked' },
    });
    expect(events.at(-1)).toMatchObject({
      type: 'warning',
      message: 'message m1 could not be dispatched: the engine failed',
    });
  });

  it('that waits in its place is not tried over and over where the engine cannot tell what its failure is', async () => {
    const clock = virtualClock();
    let attempts = 0;
    const fails = (): void => {
      if (++attempts < 3) throw new Error('wrong');
    };
    const { dispatch } = dispatcherOf(fails, { ordered: true, retry: { never: [Undecided] } }, { clock });
    const settling = dispatch(delivery('m1'));
    for (const minute of [1, 2]) {
      await turns();
      expect(attempts).toBe(minute);
      await clock.advance(60_000);
    }
    expect(await settling).toEqual({ type: 'acknowledge' });
  });
});
