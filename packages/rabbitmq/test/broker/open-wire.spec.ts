import { describe, expect, it } from '@jest/globals';
import type { ConsumeMessage } from 'amqplib';
import { acknowledge, deadLetter, retry, until, useStage } from '../stage.js';
import { listed } from '../../../../test/support/dead-letters.js';

const stage = useStage();

describe('A client that has never heard of the module', () => {
  it('publishes JSON to the exchange, and it is handled', async () => {
    const { open, foreign, mark } = stage();
    const probe = await (await open()).subscribe('order.placed');
    const { channel } = await foreign();
    channel.publish(mark, 'order.placed', Buffer.from('{"total":5}'));
    await until(() => probe.seen.length === 1, 'the message');
    const { message, attempt } = probe.seen[0]!;
    expect(probe.texts).toEqual(['{"total":5}']);
    expect(attempt).toBe(1);
    expect(message).toMatchObject({
      destination: { kind: 'topic', name: 'order.placed' },
      contentType: 'application/json',
      headers: {},
    });
    expect(message.id).not.toBe('');
  });

  it('reads a published message’s body as plain JSON, and what AMQP has properties for', async () => {
    const { open, foreign, mark } = stage();
    const application = await open();
    await application.publish('warm.up');
    const { channel } = await foreign();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, mark, 'order.*');
    const got: ConsumeMessage[] = [];
    await channel.consume(queue, (message) => void (message && got.push(message)), { noAck: true });
    await application.publish('order.placed', '{"total":5}', {
      correlationId: 'c',
      headers: { colour: 'red' },
    });
    await until(() => got.length === 1, 'the message');
    const [{ content, properties, fields }] = got as [ConsumeMessage];
    expect(JSON.parse(content.toString())).toEqual({ total: 5 });
    expect(fields).toMatchObject({ exchange: mark, routingKey: 'order.placed' });
    expect(properties).toMatchObject({
      contentType: 'application/json',
      correlationId: 'c',
      deliveryMode: 2,
      appId: 'service',
      type: 'order.placed',
      messageId: properties.headers!['cloudEvents:id'],
      headers: { colour: 'red', 'cloudEvents:specversion': '1.0', 'cloudEvents:type': 'order.placed' },
    });
    expect(Math.abs(properties.timestamp - Date.now() / 1_000)).toBeLessThan(60);
  });

  it('has its message retried, dead-lettered and redriven with all that AMQP said of it', async () => {
    const { open, foreign, mark } = stage();
    const application = await open();
    let redriven = false;
    const probe = await application.subscribe('order.#', ({ attempt }) =>
      redriven ? acknowledge : attempt < 3 ? retry(attempt * 150) : deadLetter,
    );
    const { channel } = await foreign();
    await channel.assertQueue(`${mark}.copies`, { exclusive: true });
    const body = Buffer.from([0xef, 0xbb, 0xbf, 0x00, 0xff]);
    const properties = {
      contentType: 'application/octet-stream',
      contentEncoding: 'gzip',
      correlationId: 'c',
      replyTo: 'answers',
      expiration: '120000',
      userId: 'guest',
      priority: 3,
      timestamp: 17,
      type: 'T',
      appId: 'A',
    };
    const headers = {
      colour: 'red',
      count: 3,
      flag: true,
      list: [1, 'a'],
      table: { a: null, b: Buffer.from([1]) },
    };
    channel.publish(mark, 'order.placed', body, {
      ...properties,
      headers,
      CC: [`${mark}.copies`, 'order.copied'],
    });
    // `CC` makes it a message under two routing keys, which is one delivery; a copy that kept it would be one more.
    await until(() => probe.seen.length === 3, 'three attempts');
    await until(
      async () => (await listed(application.transport.deadLetters, probe.subscription, 9)).length === 1,
      'it',
    );
    redriven = true;
    expect(await application.transport.deadLetters.redrive(probe.subscription)).toBe(1);
    await until(() => probe.seen.length === 4, 'it again');
    expect(probe.seen.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 1]);
    expect((await channel.checkQueue(`${mark}.copies`)).messageCount).toBe(0);
    const [first, ...copies] = probe.seen.map(({ message, raw }) => ({
      message,
      raw: raw as ConsumeMessage,
    }));
    expect(first!.message.headers).toEqual({ colour: 'red', count: '3', flag: 'true' });
    for (const copy of copies) {
      expect({ ...copy.message, id: '' }).toEqual({ ...first!.message, id: '' });
      expect(copy.raw.fields).toMatchObject({ exchange: mark, routingKey: 'order.placed' });
      const { deliveryMode: _, ...expected } = first!.raw.properties as unknown as Record<string, unknown>;
      expect(copy.raw.properties).toMatchObject(expected);
    }
    // Without an id of its own it has one from its first copy on.
    expect(new Set(copies.map(({ message }) => message.id)).size).toBe(1);
  });

  it('sees retried messages only where they failed', async () => {
    const { open, foreign, mark } = stage();
    const application = await open();
    const { channel } = await foreign();
    await channel.assertExchange(mark, 'topic');
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, mark, '#');
    const probe = await application.subscribe('order.placed', ({ attempt }) =>
      attempt < 4 ? retry(100) : acknowledge,
    );
    await application.publish('order.placed');
    await until(() => probe.seen.length === 4, 'four attempts');
    expect((await channel.checkQueue(queue)).messageCount).toBe(1);
  });
});
