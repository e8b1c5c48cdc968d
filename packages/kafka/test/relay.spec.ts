import { describe, expect, it } from '@jest/globals';
import { virtualClock } from '../../testing/src/virtual-clock.js';
import { DriverError } from '../src/driver/driver-error.js';
import type { Client, Position } from '../src/driver/driver.js';
import { createRelay } from '../src/relay.js';
import { delayed } from '../src/wire.js';
import { until } from './stage.js';

describe('A relay', () => {
  it('tries again what it could neither pass on nor put off', async () => {
    const clock = virtualClock(1_000_000);
    const level = 's--delay-0';
    const waiting = delayed(
      { topic: 'a', key: null, value: Buffer.from('{}'), headers: [] },
      { topic: level, due: 900_000, until: 900_000, to: 'a' },
    );
    const texts = waiting.headers.map(([name, value]) => [name, String(value)]);
    const client = {
      committed: async () => [],
      offsets: async () => [0],
      leaders: async () => new Map([[level, [1]]]),
      fetch: async (_node: number, [{ offset }]: [Position]) => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        const records =
          offset === 0
            ? [{ ...waiting, texts, size: 2, partition: 0, offset, timestamp: 0, raw: undefined }]
            : [];
        return [{ topic: level, partition: 0, records, next: 1, end: 1 }];
      },
      close: async () => {},
    } as unknown as Client;
    const sent: string[] = [];
    const committed: number[] = [];
    const relay = createRelay({
      client,
      names: { group: 's--delay', levels: [level] },
      needs: [],
      join: (holder) => ({
        start: async () => holder.assigned([{ topic: level, partition: 0 }]),
        problem: undefined,
        commit: async ([{ offset }]: readonly [Position]) => {
          committed.push(offset);
          return [undefined];
        },
        leave: async () => {},
      }),
      publisher: {
        send: async ({ record }) => {
          sent.push(record().topic);
          if (sent.length <= 2)
            throw new DriverError('TOPIC_AUTHORIZATION_FAILED', 'no', { retryable: false });
        },
        blocked: undefined,
        close: async () => {},
      },
      clock,
      abandoned: new AbortController().signal,
      report: () => {},
      warn: () => {},
    } as Parameters<typeof createRelay>[0]);
    await relay.start();
    // What is due already still waits for a timer.
    await until(() => clock.advance(1).then(() => sent.length === 2), 'both attempts', 5_000);
    await clock.advance(60_000);
    await until(() => clock.advance(1).then(() => sent.length === 3), 'another one', 2_000);
    expect(sent[2]).toBe('a');
    await relay.stop();
    expect(committed).toEqual([1]);
  });
});
