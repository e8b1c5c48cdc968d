import { describe, expect, it } from '@jest/globals';
import { systemClock, type Delivery } from '../../src/contract/index.js';
import { deferred, type Deferred } from '../../src/engine/deferred.js';
import { createDispatcher, type DispatcherParts } from '../../src/engine/dispatcher.js';
import { resolveHandlerOptions, type HandlerOptions } from '../../src/engine/handler-options.js';
import { jsonCodec, type EngineEvent } from '../../src/engine/index.js';
import { createTimeLimit } from '../../src/engine/time-limit.js';

function dispatching(
  invoke: DispatcherParts['invoke'],
  options: HandlerOptions,
  opening: DispatcherParts['opening'] = () => undefined,
) {
  const events: EngineEvent[] = [];
  const { signal: deadline } = new AbortController();
  const { handle } = createDispatcher({
    options: resolveHandlerOptions(options, {
      group: 'g',
      ordered: false,
      transport: 'memory',
      label: 'handler',
    }),
    source: 't',
    invoke,
    codec: jsonCodec,
    maxBodySize: 1_000,
    maxHold: Number.POSITIVE_INFINITY,
    maxDelay: Number.POSITIVE_INFINITY,
    clock: systemClock,
    observe: (event) => events.push(event),
    opening,
    stopping: new AbortController().signal,
    deadline,
    excused: () => false,
    limited: createTimeLimit(systemClock, deadline),
  });
  return { handle, events };
}

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

describe('a delivery', () => {
  it('that waits for the application to open is not overtaken by one that comes as it opens', async () => {
    let opening: Deferred<void> | undefined = deferred();
    const handled: unknown[] = [];
    const { handle } = dispatching(
      (payload) => void handled.push(payload),
      { ordered: true },
      () => opening?.promise,
    );
    const before = ['first', 'second'].map((payload) => handle(delivery(payload)));
    expect(handled).toEqual([]);
    opening.resolve();
    opening = undefined;
    await Promise.all([...before, handle(delivery('third'))]);
    expect(handled).toEqual(['first', 'second', 'third']);
  });

  it('stays with the broker, and does not come back at once, where the engine cannot tell what its failure is', async () => {
    class Undecided extends Error {
      static override [Symbol.hasInstance](): boolean {
        throw new Error('this class cannot be asked');
      }
    }
    const fails = (): never => {
      throw new Error('wrong');
    };
    const { handle, events } = dispatching(fails, { retry: { never: [Undecided] } });
    expect(await handle(delivery('m1'))).toMatchObject({
      type: 'retry',
      delay: 60_000,
      failure: { message: 'this class cannot be asked' },
    });
    expect(events.at(-1)).toMatchObject({
      type: 'warning',
      message: 'message m1 could not be dispatched: the engine failed',
    });
  });
});
