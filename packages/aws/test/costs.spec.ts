import { createServer, request as forward, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Subscription } from '@nest-messaging/core/contract';
import { awsEndpoint } from '../../../test/support/aws.js';
import { startStub } from './stub.js';
import { acknowledge, until, useStage } from './support/stage.js';

const stage = useStage();

/** A way to the emulator that counts what is asked for, by the names of its actions. */
interface Counter {
  readonly url: string;
  readonly times: Map<string, number[]>;
  count(action: string): number;
  reset(): void;
  close(): Promise<void>;
}

async function startCounter(to: string): Promise<Counter> {
  const { hostname, port } = new URL(to);
  const times = new Map<string, number[]>();
  const server: Server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const target = incoming.headers['x-amz-target'];
    const action =
      typeof target === 'string' ? target.split('.')[1]! : /Action=(\w+)/.exec(body.toString())![1]!;
    times.set(action, [...(times.get(action) ?? []), performance.now()]);
    const { method, url: path, headers } = incoming;
    const passed = forward({ hostname, port, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    });
    // Whoever has gone in the middle of a poll needs no answer.
    passed.on('error', () => outgoing.destroy());
    outgoing.on('close', () => passed.destroy());
    passed.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    times,
    count: (action) => times.get(action)?.length ?? 0,
    reset: () => times.clear(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const subscriptionOf = (name: string, more: Partial<Subscription> = {}): Subscription => ({
  source: { kind: 'topic', name },
  group: 'group',
  ordered: false,
  broadcast: false,
  maxUnsettled: 100,
  ...more,
});

/** Whether the service is still there, and whether another process has delayed something: a slow machine is asked meanwhile. */
const NOW_AND_THEN = new Set(['ListTopics', 'GetQueueUrl']);

const times = <T>(count: number, make: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => make(at));

describe('requests to SNS and SQS', () => {
  let counter: Counter;

  beforeEach(async () => {
    counter = await startCounter(awsEndpoint());
    stage().after(() => counter.close());
  });

  const open = () => stage().open({ endpoint: counter.url });

  it('of 10,000 concurrent single publishes are 1,300 at most', async () => {
    const { publish } = await open();
    await publish('orders', 'first');
    counter.reset();
    await Promise.all(times(10_000, (at) => publish('orders', `m${at}`)));
    expect([...counter.times.keys()].filter((name) => !NOW_AND_THEN.has(name))).toEqual(['PublishBatch']);
    expect(counter.count('PublishBatch')).toBeLessThanOrEqual(1_300);
  });

  it('of 10,000 publishes that come little by little are no more either, where ten wait at a time', async () => {
    const { publish } = await open();
    await publish('orders', 'first');
    counter.reset();
    // Twenty callers, each of which publishes the next one when the last is safe.
    await Promise.all(
      times(20, async (caller) => {
        for (let at = 0; at < 100; at++) await publish('orders', `m${caller}.${at}`);
      }),
    );
    expect(counter.count('PublishBatch')).toBeLessThanOrEqual(2_000 / 7);
  });

  it('of consuming a backlog of 10,000 are 1,200 receives and 1,200 deletions at most', async () => {
    const application = await open();
    const { publish, transport } = application;
    const before = await transport.subscribe(subscriptionOf('orders'), async () => acknowledge);
    await before.stop();
    await Promise.all(times(10_000, (at) => publish('orders', `m${at}`)));
    counter.reset();
    const seen = new Set<string>();
    const consumer = await transport.subscribe(subscriptionOf('orders'), async ({ message }) => {
      seen.add(message.id);
      return acknowledge;
    });
    await until(() => seen.size >= 10_000, 'all of them', 60_000);
    await consumer.stop();
    expect(counter.count('ReceiveMessage')).toBeLessThanOrEqual(1_200);
    expect(counter.count('DeleteMessageBatch')).toBeLessThanOrEqual(1_200);
  }, 150_000);

  it('of consuming 10,000 while they are published, by handlers that take their time, are no more', async () => {
    const { publish, transport } = await open();
    const seen = new Set<string>();
    const consumer = await transport.subscribe(subscriptionOf('orders'), async ({ message }) => {
      await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 10));
      seen.add(message.id);
      return acknowledge;
    });
    counter.reset();
    await Promise.all(times(10_000, (at) => publish('orders', `m${at}`)));
    await until(() => seen.size === 10_000, 'all of them', 60_000);
    await consumer.stop();
    expect(counter.count('ReceiveMessage')).toBeLessThanOrEqual(1_200);
    expect(counter.count('DeleteMessageBatch')).toBeLessThanOrEqual(1_200);
  }, 150_000);

  it('of an idle subscription are one receive in 20 s at most', async () => {
    const { transport } = await open();
    await Promise.all(
      times(5, (at) => transport.subscribe(subscriptionOf(`orders.${at}`), async () => acknowledge)),
    );
    const began = performance.now();
    await until(() => counter.count('ReceiveMessage') > 5, 'the first of the second requests', 30_000);
    expect(performance.now() - began).toBeGreaterThan(19_000);
  });
});

/** The `share` of sorted values that are no larger. */
const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1]!;
const median = (values: readonly number[]): number => quantile(values, 0.5);

/**
 * An emulator with sixty open polls is slower itself. Against a stub that answers at once, what is measured is what the
 * module can do something about: its sockets, and its event loop.
 */
describe('sixty subscriptions that poll', () => {
  /** An application with so many, which publishes. */
  async function polling(subscriptions: number) {
    const stub = await startStub();
    stage().after(() => stub.close());
    const { transport, publish } = await stage().open({ endpoint: stub.url });
    await Promise.all(
      times(subscriptions, (at) =>
        transport.subscribe(subscriptionOf(`orders.${at}`), async () => acknowledge),
      ),
    );
    await until(() => stub.polls >= subscriptions, 'all to poll');
    const timed = async (): Promise<number> => {
      const began = performance.now();
      await publish('orders.0', '1');
      return performance.now() - began;
    };
    /** What each publish of five callers takes, in milliseconds. */
    const round = async (): Promise<number[]> => {
      const taken: number[] = [];
      await Promise.all(
        times(5, async () => {
          for (let at = 0; at < 20; at++) taken.push(await timed());
        }),
      );
      expect(stub.polls).toBeGreaterThanOrEqual(subscriptions);
      return taken;
    };
    return { round };
  }

  it('leave the 99th percentile of publishing within 1.5 times what it is beside one', async () => {
    const applications = [await polling(1), await polling(60)] as const;
    const percentiles: [number[], number[]] = [[], []];
    // What else the machine does comes and goes: in short turns, both have the same share of it.
    for (let round = -3; round < 41; round++)
      for (const which of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        const taken = await applications[which].round();
        // The first ones compile.
        if (round >= 0) percentiles[which].push(quantile(taken, 0.99));
      }
    const [one, sixty] = percentiles;
    expect(median(sixty)).toBeLessThan(median(one) * 1.5);
  });

  it('leave the event loop to others', async () => {
    await polling(60);
    const before = performance.eventLoopUtilization();
    await until(() => performance.eventLoopUtilization(before).idle > 1_000, 'a second of idleness');
    expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(0.2);
  });
});
