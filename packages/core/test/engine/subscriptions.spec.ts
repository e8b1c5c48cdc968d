import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { systemClock, type Destination, type Environment, type Transport } from '../../src/contract/index.js';
import { deferred } from '../../src/engine/deferred.js';
import { jsonCodec } from '../../src/engine/index.js';
import { createSubscriptions, type Subscriptions } from '../../src/engine/subscriptions.js';
import { memory } from '../../src/memory/index.js';

const environment: Environment = {
  connection: 'default',
  service: 'shop',
  topology: 'create',
  connectTimeout: 1_000,
  clock: systemClock,
  report: () => {},
};

const subscriptionsOn = (transport: Transport, deadline: AbortSignal): Subscriptions =>
  createSubscriptions({
    transport,
    service: 'shop',
    defaults: [],
    codec: jsonCodec,
    maxBodySize: 1_000,
    clock: systemClock,
    observe: () => {},
    opening: () => undefined,
    deadline,
    changed: () => {},
  });

describe('Subscriptions', () => {
  it('leave nothing with the deadline, however many there are and however often they are resumed', async () => {
    const deadline = new AbortController();
    const transport = memory().open(environment);
    await transport.connect();
    const subscriptions = subscriptionsOn(transport, deadline.signal);
    let handled = 0;
    const publishTo = async (destination: Destination): Promise<void> => {
      const before = handled;
      const message = { id: 'id', destination, body: Buffer.from('{}'), contentType: '', headers: {} };
      await transport.publish({ ...message, delay: 0, ordered: false }, new AbortController().signal);
      while (handled === before) await setImmediate();
    };
    const sources = ['a', 'b', 'c'].map((name) => ({ kind: 'topic', name }) as const);
    for (const source of sources)
      subscriptions.register({ label: source.name, source, options: {}, invoke: () => handled++ });
    await subscriptions.start();
    for (let n = 0; n < 5; n++)
      for (const source of sources) {
        await subscriptions.pause({ source, group: 'shop' });
        await subscriptions.resume({ source, group: 'shop' });
        await publishTo(source);
      }
    // Node warns of a leak beyond ten.
    expect(getEventListeners(deadline.signal, 'abort')).toHaveLength(1);
    await transport.close();
  });

  describe('that are stopped as they start', () => {
    const source = { kind: 'topic', name: 'a' } as const;
    const never = new AbortController().signal;

    it('take nothing any more', async () => {
      const transport = memory().open(environment);
      await transport.connect();
      const subscriptions = subscriptionsOn(transport, never);
      subscriptions.register({ label: 'a', source, options: {}, invoke: () => undefined });
      await subscriptions.stop();
      await expect(subscriptions.start()).rejects.toMatchObject({ code: 'CLOSED' });
      expect(subscriptions.list()).toMatchObject([{ state: 'stopped' }]);
      await transport.close();
    });

    it('give up the consumer that the broker made meanwhile', async () => {
      const inner = memory().open(environment);
      await inner.connect();
      const subscribing = deferred();
      const goOn = deferred();
      const subscriptions = subscriptionsOn(
        {
          ...inner,
          async subscribe(subscription, handle) {
            subscribing.resolve();
            await goOn.promise;
            return inner.subscribe(subscription, handle);
          },
        },
        never,
      );
      subscriptions.register({ label: 'a', source, options: {}, invoke: () => undefined });
      const starting = subscriptions.start();
      await subscribing.promise;
      await subscriptions.stop();
      goOn.resolve();
      await starting.catch(() => undefined);
      expect((await inner.health()).parts.map(({ name }) => name)).toEqual(['memory']);
      await inner.close();
    });
  });
});
