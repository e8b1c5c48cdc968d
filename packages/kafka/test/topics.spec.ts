import { describe, expect, it } from '@jest/globals';
import type { Topology } from '@nest-messaging/core/contract';
import { DriverError } from '../src/driver/driver-error.js';
import type { Client, NewTopic } from '../src/driver/driver.js';
import { createTopics, type Topics } from '../src/topics.js';

const topic = (name: string): NewTopic => ({ name, partitions: 1, replicas: -1, config: {} });
const refused = (code: string, retryable = false): DriverError =>
  new DriverError(code, 'as the test wants it', { retryable });

/** Topics of a broker that is the test. */
function play(topology: Topology = 'create'): {
  topics: Topics;
  /** Why it does not create some. */
  refusals: Map<string, DriverError>;
  there: Set<string>;
} {
  const refusals = new Map<string, DriverError>();
  const there = new Set<string>();
  const client = {
    leaders: async (names: readonly string[]) =>
      new Map(names.filter((name) => there.has(name)).map((name) => [name, [1]])),
    async createTopics(wanted: readonly NewTopic[]) {
      for (const { name } of wanted) if (!refusals.has(name)) there.add(name);
      return wanted.map(({ name }) => refusals.get(name));
    },
  } as unknown as Client;
  return { topics: createTopics(client, topology), refusals, there };
}

describe('Topics', () => {
  it('that cannot be created just now may be later, and what failed says so', async () => {
    const { topics, refusals } = play();
    refusals.set('a', refused('NOT_CONTROLLER', true));
    await expect(topics.ensure([topic('a')])).rejects.toBe(refusals.get('a'));
    refusals.clear();
    await topics.ensure([topic('a')]);
    expect(topics.has('a')).toBe(true);
  });

  it('that may not be created are refused with what to do', async () => {
    const { topics, refusals } = play();
    refusals.set('a', refused('TOPIC_AUTHORIZATION_FAILED'));
    await expect(topics.ensure([topic('a')])).rejects.toMatchObject({
      code: 'TOPOLOGY',
      message: expect.stringMatching(/may not create topic 'a'/),
    });
  });

  it.each(['create', 'validate'] as const)(
    'are refused for no other that was asked for with them (%s)',
    async (topology) => {
      const { topics, refusals, there } = play(topology);
      refusals.set('bad', refused('TOPIC_AUTHORIZATION_FAILED'));
      if (topology === 'validate') there.add('good');
      const outcomes = await Promise.allSettled([
        topics.ensure([topic('bad'), topic('good')]),
        topics.ensure([topic('good')]),
      ]);
      expect(outcomes).toMatchObject([
        { status: 'rejected', reason: { message: expect.stringMatching(/topic 'bad'/) } },
        { status: 'fulfilled' },
      ]);
      expect([topics.has('bad'), topics.has('good')]).toEqual([false, true]);
    },
  );
});
