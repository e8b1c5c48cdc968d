import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { systemClock, type Destination, type Environment } from '../../src/contract/index.js';
import { jsonCodec } from '../../src/engine/index.js';
import { createSubscriptions } from '../../src/engine/subscriptions.js';
import { memory } from '../../src/memory/index.js';

const environment: Environment = {
  connection: 'default',
  service: 'shop',
  topology: 'create',
  connectTimeout: 1_000,
  clock: systemClock,
  report: () => {},
};

describe('Subscriptions', () => {
  it('leave nothing with the deadline, however many there are and however often they are resumed', async () => {
    const deadline = new AbortController();
    const transport = memory().open(environment);
    await transport.connect();
    const subscriptions = createSubscriptions({
      transport,
      service: 'shop',
      defaults: [],
      codec: jsonCodec,
      maxBodySize: 1_000,
      clock: systemClock,
      observe: () => {},
      opening: () => undefined,
      deadline: deadline.signal,
      changed: () => {},
    });
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
});
