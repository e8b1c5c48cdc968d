import { describe, expect, it } from '@jest/globals';
import {
  systemClock,
  type Broker,
  type Delivery,
  type Environment,
  type OutgoingMessage,
  type Subscription,
  type Transport,
} from '@nest-messaging/core/contract';
import { memory } from '../src/memory/index.js';

const never = new AbortController().signal;

async function open(broker: Broker, environment: Partial<Environment> = {}): Promise<Transport> {
  const transport = broker.open({
    connection: 'default',
    service: 'test',
    topology: 'create',
    connectTimeout: 1_000,
    clock: systemClock,
    report: () => {},
    ...environment,
  });
  await transport.connect();
  return transport;
}

let id = 0;
const message = (name: string, body = 'x', more: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  id: `m${++id}`,
  destination: { kind: 'topic', name },
  body: Buffer.from(body),
  contentType: 'application/json',
  headers: {},
  delay: 0,
  ordered: false,
  ...more,
});

const to = (name: string, group: string, more: Partial<Subscription> = {}): Subscription => ({
  source: { kind: 'topic', name },
  group,
  ordered: false,
  broadcast: false,
  maxUnsettled: 10,
  ...more,
});

/** Collects bodies and lets a test wait for a number of them. */
function collector() {
  const seen: string[] = [];
  const deliveries: Delivery[] = [];
  let wake = (): void => {};
  return {
    seen,
    deliveries,
    handle: async (delivery: Delivery) => {
      seen.push(Buffer.from(delivery.message.body).toString());
      deliveries.push(delivery);
      wake();
      return { type: 'acknowledge' } as const;
    },
    async until(count: number) {
      while (seen.length < count) await new Promise<void>((resolve) => (wake = resolve));
      return seen;
    },
  };
}

describe('memory', () => {
  it('hands a message to every group once, after the publisher’s turn has ended', async () => {
    const transport = await open(memory());
    const billing = collector();
    const shipping = collector();
    await transport.subscribe(to('order.placed', 'billing'), billing.handle);
    await transport.subscribe(to('order.*', 'shipping'), shipping.handle);
    const published = transport.publish(message('order.placed', 'a'), never);
    expect(billing.seen).toEqual([]);
    await published;
    expect(billing.seen).toEqual([]);
    expect(await billing.until(1)).toEqual(['a']);
    expect(await shipping.until(1)).toEqual(['a']);
    await transport.close();
  });

  it('gives what a closed application left unsettled to another one that shares the broker', async () => {
    const broker = memory();
    const [first, second] = [await open(broker), await open(broker)];
    const stuck = collector();
    await first.subscribe(to('t', 'g'), (delivery) => {
      void stuck.handle(delivery);
      return new Promise(() => {});
    });
    for (const body of ['1', '2', '3']) await first.publish(message('t', body), never);
    await stuck.until(3);
    const heir = collector();
    await second.subscribe(to('t', 'g'), heir.handle);
    await first.close();
    expect(await heir.until(3)).toEqual(['1', '2', '3']);
    expect(heir.deliveries.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
    await second.close();
  });

  it('keeps delayed messages while no application is open, and no timer', async () => {
    const timers = new Set<() => void>();
    let now = 0;
    const clock = {
      now: () => now,
      schedule(callback: () => void) {
        timers.add(callback);
        return () => void timers.delete(callback);
      },
    };
    const broker = memory();
    const first = await open(broker, { clock });
    await first.subscribe(to('t', 'g'), collector().handle);
    await first.publish(message('t', 'later', { delay: 60_000 }), never);
    expect(timers.size).toBe(1);
    await first.close();
    expect(timers.size).toBe(0);

    now = 60_000;
    const second = await open(broker, { clock });
    const heir = collector();
    await second.subscribe(to('t', 'g'), heir.handle);
    expect(timers.size).toBe(1);
    for (const fire of timers) fire();
    expect(await heir.until(1)).toEqual(['later']);
    await second.close();
  });

  it('lets publishers wait while it is full, and none overtake another', async () => {
    const transport = await open(memory({ maxMessages: 2 }));
    const queue = { destination: { kind: 'queue', name: 'work' } } as const;
    await transport.publish(message('', '1', queue), never);
    await transport.publish(message('', '2', queue), never);
    const third = transport.publish(message('', '3', queue), never);
    const fourth = transport.publish(message('', '4', queue), never);
    await expect(transport.publish(message('', 'x', queue), AbortSignal.timeout(20))).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    const worker = collector();
    await transport.subscribe(
      { ...to('', 'g', { maxUnsettled: 1 }), source: queue.destination },
      worker.handle,
    );
    await Promise.all([third, fourth]);
    expect(await worker.until(4)).toEqual(['1', '2', '3', '4']);
    await transport.close();
  });

  it('refuses what would go to a queue whose name is that of a subscription, however late it would go', async () => {
    const transport = await open(memory());
    await transport.subscribe(to('order.placed', 'billing'), collector().handle);
    const queue = { destination: { kind: 'queue', name: 'billing.order.placed' } } as const;
    for (const delay of [0, 60_000])
      await expect(transport.publish(message('', '1', { ...queue, delay }), never)).rejects.toMatchObject({
        code: 'TOPOLOGY',
      });
    await transport.close();
  });

  it('keeps the name of a queue for what goes to it later', async () => {
    const transport = await open(memory());
    const queue = { destination: { kind: 'queue', name: 'billing.order.placed' } } as const;
    await transport.publish(message('', '1', { ...queue, delay: 60_000 }), never);
    await expect(
      transport.subscribe(to('order.placed', 'billing'), collector().handle),
    ).rejects.toMatchObject({ code: 'TOPOLOGY' });
    await transport.close();
  });

  it('restores no dead letter once it is closed', async () => {
    const transport = await open(memory({ maxMessages: 1 }));
    const subscription = to('t', 'g');
    await transport.subscribe(subscription, collector().handle);
    await transport.close();
    await expect(
      transport.deadLetters.restore(subscription, {
        message: message('t'),
        failure: { name: 'Error', message: 'failed', at: 0 },
        attempts: 1,
        group: 'g',
        firstFailedAt: 0,
      }),
    ).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('rejects publishes that wait for room when it closes', async () => {
    const transport = await open(memory({ maxMessages: 1 }));
    const queue = { destination: { kind: 'queue', name: 'work' } } as const;
    await transport.publish(message('', '1', queue), never);
    const waiting = transport.publish(message('', '2', queue), never);
    const refused = expect(waiting).rejects.toMatchObject({ code: 'CLOSED' });
    await transport.close();
    await refused;
  });

  it('refuses unknown options and addresses it does not have', () => {
    expect(() => memory({ max: 1 } as never)).toThrow('unknown option memory.max: valid are maxMessages');
    expect(() => memory({ maxMessages: 0 })).toThrow('memory.maxMessages is 0: expected at least 1');
    expect(() => memory.fromUrl('memory://elsewhere')).toThrow("just 'memory:'");
    expect(memory.fromUrl('memory:').name).toBe('memory');
  });
});
