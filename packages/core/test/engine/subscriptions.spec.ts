import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { systemClock, type Environment } from '../../src/contract/index.js';
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
      opened: Promise.resolve(),
      deadline: deadline.signal,
    });
    const sources = ['a', 'b', 'c'].map((name) => ({ kind: 'topic', name }) as const);
    for (const source of sources)
      subscriptions.register({ label: source.name, source, options: {}, invoke: () => {} });
    await subscriptions.start();
    const before = getEventListeners(deadline.signal, 'abort').length;
    for (let n = 0; n < 5; n++)
      for (const source of sources) {
        await subscriptions.pause({ source, group: 'shop' });
        await subscriptions.resume({ source, group: 'shop' });
      }
    // Node warns of a leak beyond ten.
    expect(before).toBe(1);
    expect(getEventListeners(deadline.signal, 'abort')).toHaveLength(1);
    await transport.close();
  });
});
