import { describe, expect, it } from '@jest/globals';
import type { SubscriptionId } from '@nest-messaging/core/contract';
import { among, listed } from '../../../../test/support/dead-letters.js';
import { startProxy } from '../proxy.js';
import { acknowledge, until, useStage } from '../stage.js';
import { rabbitmqUrl } from '../../../../test/support/rabbitmq.js';

const stage = useStage();

const id: SubscriptionId = { group: 'group', source: { kind: 'topic', name: 'order' } };
/** More than one channel of consumers holds. */
const MANY = 3_500;
const numbers = Array.from({ length: MANY }, (_, n) => n);

/** A subscription with so many dead letters, put there by a plain client, with their numbers as their ids. */
async function withLetters(count: number) {
  const { open, foreign, mark } = stage();
  const application = await open();
  const probe = await application.subscribe('order', () => acknowledge, { maxUnsettled: 100 });
  const { connection } = await foreign();
  const channel = await connection.createConfirmChannel();
  const queue = `${mark}.group.order`;
  for (const n of numbers.slice(0, count))
    channel.sendToQueue(`${queue}--dead`, Buffer.from(`${n}`), {
      persistent: true,
      messageId: `${n}`,
      headers: {
        'nm-queue': queue,
        'nm-failed-at': 1_700_000_000_000 + n,
        'cloudEvents:partitionkey': `k${n % 3}`,
      },
    });
  await channel.waitForConfirms();
  const { deadLetters } = application.transport;
  const ids = async (): Promise<number[]> =>
    (await listed(deadLetters, id, 10_000)).map(({ message }) => Number(message.id));
  return { application, probe, deadLetters, ids, connection, queue };
}

/** Another application, whose way to the broker can be cut. */
async function behindProxy() {
  const { open, after } = stage();
  const proxy = await startProxy(rabbitmqUrl());
  after(() => proxy.close());
  const { transport } = await open({ url: proxy.url });
  return { proxy, letters: transport.deadLetters };
}

describe('dead letters in great number', () => {
  it('keep their order, however they are looked at', async () => {
    const { deadLetters, ids } = await withLetters(MANY);
    expect(await ids()).toEqual(numbers);
    expect(await ids()).toEqual(numbers);
    // Left early: at the first, within a consumer's share, behind it, and far behind.
    for (const limit of [1, 45, 250, 3_100]) {
      expect((await listed(deadLetters, id, limit)).map(({ message }) => Number(message.id))).toEqual(
        numbers.slice(0, limit),
      );
      expect(await ids()).toEqual(numbers);
    }
    const gone = ['0', '99', '100', '101', '3000', `${MANY - 1}`];
    expect(await deadLetters.purge(id, among([...gone, 'none such']))).toBe(gone.length);
    const left = numbers.filter((n) => !gone.includes(`${n}`));
    expect(await ids()).toEqual(left);
    expect(await ids()).toEqual(left);
  });

  it('are redriven in the order of their keys, and what is not meant stays in its own', async () => {
    const { deadLetters, ids, probe } = await withLetters(1_000);
    const even = numbers.slice(0, 1_000).filter((n) => n % 2 === 0);
    expect(await deadLetters.redrive(id, { select: ({ message }) => Number(message.id) % 2 === 0 })).toBe(
      500,
    );
    await until(() => probe.seen.length === 500, 'those that were meant');
    for (const key of ['k0', 'k1', 'k2']) {
      const places = probe.seen
        .filter(({ message }) => message.key === key)
        .map(({ message }) => Number(message.id));
      expect(places).toEqual(places.toSorted((a, b) => a - b));
    }
    expect(probe.seen.map(({ message }) => Number(message.id)).toSorted((a, b) => a - b)).toEqual(even);
    expect(await ids()).toEqual(numbers.slice(0, 1_000).filter((n) => n % 2 === 1));
    // All at once, as fast as they are looked at.
    expect(await deadLetters.purge(id, { select: () => true })).toBe(500);
    expect(await ids()).toEqual([]);
  });
});

describe('dead letters that are set aside again', () => {
  it('are on the page behind a letter that is gone by then, though they failed before it', async () => {
    const { deadLetters, ids } = await withLetters(3);
    const all = await listed(deadLetters, id, 3);
    expect(await deadLetters.purge(id, among(['0', '1']))).toBe(2);
    for (const letter of all.slice(0, 2)) await deadLetters.restore(id, letter);
    await until(async () => (await ids()).length === 3, 'them to be back');
    expect(await ids()).toEqual([2, 0, 1]);
    const [newest, restored] = await listed(deadLetters, id, 2);
    const behind = async (after: string): Promise<string[]> => {
      const found: string[] = [];
      for await (const { message } of deadLetters.browse(id, { after })) found.push(message.id);
      return found;
    };
    expect(await deadLetters.purge(id, among(['2']))).toBe(1);
    expect(await behind(newest!.position)).toEqual(['0', '1']);
    expect(await behind(restored!.position)).toEqual(['1']);
  });
});

describe('dead letters that say they come from elsewhere', () => {
  it('go to no other subscription, whoever says so, and to any queue that no other has', async () => {
    const { application, deadLetters, connection, queue, ids } = await withLetters(1);
    const other = await application.subscribe('order', () => acknowledge, { group: 'other' });
    const { mark } = stage();
    const [letter] = await listed(deadLetters, id, 1);
    expect(await deadLetters.purge(id)).toBe(1);
    const channel = await connection.createConfirmChannel();
    const origins = [`${mark}.other.order`, `${mark}.other.order--ordered`, `${mark}.other.order--dead`];
    for (const origin of origins) {
      const refused = { code: 'INVALID_MESSAGE', message: expect.stringContaining(`comes from '${origin}'`) };
      await expect(deadLetters.restore(id, { ...letter!, origin })).rejects.toMatchObject(refused);
      const headers = { 'nm-queue': origin };
      channel.sendToQueue(`${queue}--dead`, Buffer.from('x'), { messageId: '7', headers });
      await channel.waitForConfirms();
      await expect(deadLetters.redrive(id)).rejects.toMatchObject(refused);
      expect(await ids()).toEqual([7]);
      expect(await deadLetters.purge(id)).toBe(1);
    }
    expect(other.seen).toEqual([]);
    // As a handler names it under `rabbitmq`: one that is the module's by no name, whose handler may be elsewhere.
    const legacy = `${mark}.legacy.work`;
    await channel.assertQueue(legacy, {
      autoDelete: false,
      durable: false,
      exclusive: false,
      expires: 60_000,
    });
    await deadLetters.restore(id, { ...letter!, origin: legacy });
    expect(await deadLetters.redrive(id)).toBe(1);
    expect((await channel.deleteQueue(legacy)).messageCount).toBe(1);
  });
});

describe('dead letters that are looked at', () => {
  it('end where others take them away meanwhile', async () => {
    const { deadLetters, connection, queue } = await withLetters(300);
    const found: number[] = [];
    const channel = await connection.createChannel();
    for await (const { message } of deadLetters.browse(id)) {
      // What a consumer has in hand already is shown, and nothing that was behind it.
      if (found.push(Number(message.id)) === 1) await channel.purgeQueue(`${queue}--dead`);
    }
    expect(found.length).toBeLessThanOrEqual(101);
    expect(found).toEqual(numbers.slice(0, found.length));
  });

  it('end as if there were none when their queue is deleted', async () => {
    const { deadLetters, connection, queue } = await withLetters(300);
    const channel = await connection.createChannel();
    let found = 0;
    for await (const _ of deadLetters.browse(id))
      if (++found === 1) await channel.deleteQueue(`${queue}--dead`);
    expect(found).toBeLessThanOrEqual(101);
    expect(await listed(deadLetters, id, 10)).toEqual([]);
  });

  it('are shown to one after the other, and to each of them all', async () => {
    const { deadLetters, ids } = await withLetters(150);
    const other = deadLetters.browse(id)[Symbol.asyncIterator]();
    expect((await other.next()).value?.message.id).toBe('0');
    // Another waits its turn, and has them all.
    const waiting = ids();
    await other.return!();
    expect(await waiting).toEqual(numbers.slice(0, 150));
  });

  it('are waited for no longer than a signal lets', async () => {
    const { deadLetters, ids } = await withLetters(10);
    const other = deadLetters.browse(id)[Symbol.asyncIterator]();
    await other.next();
    const reason = new Error('as the test wants it');
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = Promise.allSettled([
      deadLetters.browse(id, { signal })[Symbol.asyncIterator]().next(),
      deadLetters.redrive(id, { signal }),
      deadLetters.purge(id, { signal }),
    ]);
    controller.abort(reason);
    for (const outcome of await waiting) expect(outcome).toEqual({ status: 'rejected', reason });
    await other.return!();
    expect(await ids()).toEqual(numbers.slice(0, 10));
  });
});

describe('dead letters that are looked at when the connection is lost', () => {
  it('are shown on from the last one when it is back, whatever others took away before that', async () => {
    const { deadLetters, ids } = await withLetters(100);
    const { proxy, letters } = await behindProxy();
    const found: number[] = [];
    for await (const { message } of letters.browse(id)) {
      if (found.push(Number(message.id)) !== 40) continue;
      const back = await proxy.away();
      await until(async () => (await ids()).length === 100, 'all to be in their place again');
      const oldest = numbers.slice(0, 20).map(String);
      expect(await deadLetters.purge(id, among(oldest))).toBe(20);
      await back();
    }
    expect(found).toEqual(numbers.slice(0, 100));
  });
});

describe('dead letters that are taken out when the connection is lost', () => {
  it('are not said to be gone, where the broker has not heard so', async () => {
    const { ids } = await withLetters(10);
    const { proxy, letters } = await behindProxy();
    // Before what was acknowledged is written.
    const onGone = ({ message }: { message: { id: string } }): void => {
      if (message.id === '0') proxy.cut();
    };
    await expect(letters.purge(id, { onGone })).rejects.toMatchObject({ code: 'CONNECTION' });
    await until(async () => (await ids()).length === 10, 'them to be back');
    const purged = (): Promise<boolean> =>
      letters.purge(id, { select: () => true }).then(
        (count) => count === 10,
        () => false,
      );
    await until(purged, 'the connection to be back, and them to be gone');
    expect(await ids()).toEqual([]);
  });

  it('are not waited with for the broker: who redrives them is told, and none is lost', async () => {
    const { ids, probe } = await withLetters(10);
    const { proxy, letters } = await behindProxy();
    let back = async (): Promise<void> => undefined;
    const select = async ({ message }: { message: { id: string } }): Promise<boolean> => {
      if (message.id === '5') back = await proxy.away();
      return true;
    };
    await expect(letters.redrive(id, { select })).rejects.toMatchObject({ code: 'CONNECTION' });
    const gone = (left: readonly number[]): number[] => numbers.slice(0, 10).filter((n) => !left.includes(n));
    await until(async () => {
      const left = await ids();
      return left.length >= 5 && gone(left).every((n) => probe.texts.includes(`${n}`));
    }, 'each to be in one place at least');
    await back();
    const redriven = (): Promise<boolean> =>
      letters.redrive(id).then(
        () => true,
        () => false,
      );
    await until(redriven, 'the connection to be back');
    await until(() => new Set(probe.texts).size === 10, 'all of them');
    expect(await ids()).toEqual([]);
  });
});
