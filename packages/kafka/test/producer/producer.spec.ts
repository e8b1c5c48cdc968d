import { describe, expect, it } from '@jest/globals';
import type { NewRecord } from '../../src/driver/driver.js';
import { sendingProducer } from '../driver/sending-producer.js';
import { until } from '../stage.js';
import { fakeBroker, lost, refused } from './fake-broker.js';

const UNKNOWN_TOPIC_OR_PARTITION = 3;
const NOT_LEADER_OR_FOLLOWER = 6;
const MESSAGE_TOO_LARGE = 10;
const COORDINATOR_LOAD_IN_PROGRESS = 14;
const NOT_ENOUGH_REPLICAS = 19;
const TOPIC_AUTHORIZATION_FAILED = 29;
const OUT_OF_ORDER_SEQUENCE_NUMBER = 45;

const never = new Promise<never>(() => {});
const LIMIT = 5_000;

const record = (value: string, more: Partial<NewRecord> = {}): NewRecord => ({
  topic: 'a',
  key: null,
  value: Buffer.from(value),
  headers: [],
  ...more,
});

const codes = (outcomes: readonly ({ readonly code: string } | undefined)[]) =>
  outcomes.map((error) => error?.code);

describe('A producer', () => {
  it('whose answer was lost sends the same bytes again, and takes a repetition for written', async () => {
    const broker = fakeBroker({ a: [1] });
    const producer = sendingProducer(broker.client, 'none');
    broker.instead.push(async (request) => {
      await broker.write(request);
      throw lost;
    });
    expect(await producer.send([record('1'), record('2')], LIMIT)).toEqual([undefined, undefined]);
    expect(broker.requests).toHaveLength(2);
    expect(broker.requests[1]!.batches[0]!.bytes).toEqual(broker.requests[0]!.batches[0]!.bytes);
    expect(await producer.send([record('3')], LIMIT)).toEqual([undefined]);
    expect(broker.log('a')).toEqual(['1', '2', '3']);
    // Nothing has failed in the end.
    expect(broker.ids).toBe(1);
    expect(broker.requests[2]!.sequences).toEqual([2]);
  });

  it('that is out of order goes on under a new id, from the first number on', async () => {
    const broker = fakeBroker({ a: [1, 1] });
    const producer = sendingProducer(broker.client, 'none');
    broker.instead.push(async (request) => [
      refused(OUT_OF_ORDER_SEQUENCE_NUMBER),
      (await broker.write({ ...request, batches: request.batches.slice(1) }))[0],
    ]);
    const both = (value: string) => [0, 1].map((partition) => record(value, { partition }));
    expect(await producer.send(both('1'), LIMIT)).toEqual([undefined, undefined]);
    expect(await producer.send(both('2'), LIMIT)).toEqual([undefined, undefined]);
    expect([broker.log('a', 0), broker.log('a', 1)]).toEqual([
      ['1', '2'],
      ['1', '2'],
    ]);
    expect(broker.requests.map(({ producerIds }) => producerIds)).toEqual([[1n, 1n], [2n], [2n, 2n]]);
    expect(broker.requests.map(({ sequences }) => sequences)).toEqual([[0, 0], [0], [1, 0]]);
  });

  it('whose id the broker has forgotten takes another', async () => {
    const broker = fakeBroker({ a: [1] });
    const producer = sendingProducer(broker.client, 'none');
    await producer.send([record('1')], LIMIT);
    broker.forgetProducers();
    expect(await producer.send([record('2'), record('3')], LIMIT)).toEqual([undefined, undefined]);
    expect(broker.log('a')).toEqual(['1', '2', '3']);
    expect(broker.ids).toBe(2);
  });

  it('follows a partition to its new leader, with the same bytes', async () => {
    const broker = fakeBroker({ a: [1] });
    const producer = sendingProducer(broker.client, 'none');
    broker.instead.push(() => {
      broker.topics.set('a', [2]);
      return [refused(NOT_LEADER_OR_FOLLOWER)];
    });
    expect(await producer.send([record('1')], LIMIT)).toEqual([undefined]);
    expect(broker.requests.map(({ node }) => node)).toEqual([1, 2]);
    expect(broker.requests[1]!.batches).toEqual(broker.requests[0]!.batches);
  });

  it('waits for a partition without a leader, and writes the others meanwhile', async () => {
    const broker = fakeBroker({ a: [1, -1] });
    const producer = sendingProducer(broker.client, 'none');
    const sending = producer.send([record('1', { partition: 1 }), record('0', { partition: 0 })], LIMIT);
    while (broker.log('a', 0).length === 0) await new Promise(setImmediate);
    expect(broker.log('a', 1)).toEqual([]);
    broker.topics.set('a', [1, 1]);
    expect(await sending).toEqual([undefined, undefined]);
    expect(broker.log('a', 1)).toEqual(['1']);
  });

  it('tells what was written while another partition waits, and writes more of the others meanwhile', async () => {
    const broker = fakeBroker({ a: [1, 1], b: [1] });
    const producer = sendingProducer(broker.client, 'none');
    broker.sick.set('a:1', NOT_ENOUGH_REPLICAS);
    const first = [
      record('0', { partition: 1 }),
      record('1', { key: Buffer.from('k') }),
      record('2', { topic: 'b' }),
    ];
    expect(await producer.place(first, LIMIT)).toEqual([1, 0, 0]);
    const told: string[] = [];
    const write = (topic: string, partition: number, values: string[]) =>
      producer.write(
        { topic, partition },
        values.map((value) => record(value, { topic })),
        LIMIT,
        {
          settled: (index, error) => told.push(`${values[index]} ${error?.code ?? 'written'}`),
          refused: ({ code }) => told.push(`${values.join()} ${code}`),
        },
      );
    const waiting = write('a', 1, ['1', '2']);
    await Promise.all([write('a', 0, ['3', '4']), write('b', 0, ['5'])]);
    expect(broker.requests.map(({ batches }) => batches.length)).toEqual([3]);
    await Promise.all([write('a', 0, ['6']), write('b', 0, ['7'])]);
    expect(told.filter((one) => one.endsWith('written'))).toEqual(
      ['3', '4', '5', '6', '7'].map((value) => `${value} written`),
    );
    expect(told).toContain('1,2 NOT_ENOUGH_REPLICAS');
    broker.sick.clear();
    await waiting;
    expect([broker.log('a', 0), broker.log('a', 1), broker.log('b')]).toEqual([
      ['3', '4', '6'],
      ['1', '2'],
      ['5', '7'],
    ]);
    expect([told.slice(-2), broker.ids]).toEqual([['1 written', '2 written'], 1]);
  });

  it('sends all that came for a node while a request to it was under way in the next one', async () => {
    const broker = fakeBroker({ a: [1, 1, 1, 2] });
    const producer = sendingProducer(broker.client, 'none');
    let open = (): void => {};
    broker.instead.push(async (request) => {
      await new Promise<void>((done) => (open = done));
      return broker.write(request);
    });
    const send = (partition: number) => producer.send([record('x', { partition })], LIMIT);
    const first = send(0);
    await until(() => broker.requests.length === 1, 'the first request');
    const others = [send(1), send(2)];
    // Another node does not wait for it.
    expect(await send(3)).toEqual([undefined]);
    open();
    await Promise.all([first, ...others]);
    expect(broker.requests.map(({ node, batches }) => [node, batches.length])).toEqual([
      [1, 1],
      [2, 1],
      [1, 2],
    ]);
  });

  it('whose batch fails in the end gives new ones a new id, and those under way go again under theirs', async () => {
    const broker = fakeBroker({ a: [1, 1] });
    const producer = sendingProducer(broker.client, 'none');
    broker.instead.push(async (request) => {
      await broker.write({ ...request, batches: request.batches.slice(0, 1) });
      broker.sick.set('a', NOT_ENOUGH_REPLICAS);
      throw lost;
    });
    const [patient, hasty] = [
      producer.send([record('0', { partition: 0 })], LIMIT),
      producer.send([record('1', { partition: 1 })], 200),
    ];
    expect(codes(await hasty)).toEqual(['NOT_ENOUGH_REPLICAS']);
    broker.sick.clear();
    expect(await patient).toEqual([undefined]);
    const again = [0, 1].map((partition) => record('again', { partition }));
    expect(await producer.send(again, LIMIT)).toEqual([undefined, undefined]);
    expect([broker.log('a', 0), broker.log('a', 1)]).toEqual([['0', 'again'], ['again']]);
    const first = broker.requests[0]!.batches[0]!;
    const repeated = broker.requests
      .flatMap(({ batches }) => batches)
      .filter(({ bytes }) => bytes.equals(first.bytes));
    expect(repeated.length).toBeGreaterThan(2);
    expect(broker.requests.at(-1)!.producerIds).toEqual([2n, 2n]);
  });

  it('tells of each partition what became of it, and sends again only what may come to be written', async () => {
    const broker = fakeBroker({ a: [1, 1, 1, 2] });
    const producer = sendingProducer(broker.client, 'none');
    broker.instead.push(async (request) => [
      refused(NOT_ENOUGH_REPLICAS),
      refused(TOPIC_AUTHORIZATION_FAILED),
      (await broker.write({ ...request, batches: request.batches.slice(2) }))[0],
    ]);
    const records = [0, 1, 2, 3].map((partition) => record(`${partition}`, { partition }));
    expect(codes(await producer.send(records, LIMIT))).toEqual([
      undefined,
      'TOPIC_AUTHORIZATION_FAILED',
      undefined,
      undefined,
    ]);
    expect(broker.requests.map(({ node, batches }) => [node, batches.length])).toEqual([
      [1, 3],
      [2, 1],
      [1, 1],
    ]);
    // The refused one has had its numbers: never again under that id.
    await producer.send([record('4', { partition: 1 })], LIMIT);
    expect(broker.log('a', 1)).toEqual(['4']);
    expect(broker.ids).toBe(2);
  });

  it('whose time is over in mid-flight sends nothing more, and nothing ever under the same id', async () => {
    const broker = fakeBroker({ a: [1] });
    const producer = sendingProducer(broker.client, 'none');
    let settle = (): void => {};
    broker.instead.push(async () => {
      await new Promise<void>((done) => (settle = done));
      throw lost;
    });
    const [error] = await producer.send([record('1')], 100);
    expect(error).toMatchObject({ code: 'TIMEOUT', retryable: true });
    settle();
    expect(await producer.send([record('2')], LIMIT)).toEqual([undefined]);
    expect(broker.log('a')).toEqual(['2']);
    expect(broker.requests.map(({ producerIds }) => producerIds)).toEqual([[1n], [2n]]);
  });

  it('knows what was written when another broker takes all the time', async () => {
    const broker = fakeBroker({ a: [1, 2] });
    const producer = sendingProducer(broker.client, 'none');
    broker.instead.push(() => never);
    const records = [0, 1].map((partition) => record(`${partition}`, { partition }));
    expect(codes(await producer.send(records, 100))).toEqual(['TIMEOUT', undefined]);
    expect(broker.log('a', 1)).toEqual(['1']);
  });

  it('tells in the end why it failed, and not that the time was over', async () => {
    const broker = fakeBroker({ a: [1] });
    const producer = sendingProducer(broker.client, 'none');
    for (let tries = 0; tries < 10; tries += 1) broker.instead.push(() => [refused(NOT_ENOUGH_REPLICAS)]);
    expect(codes(await producer.send([record('1')], 200))).toEqual(['NOT_ENOUGH_REPLICAS']);
    expect(broker.requests.length).toBeGreaterThan(1);
  });

  it('closed while it sends, or between two tries, fails at once and sends nothing more', async () => {
    for (const fate of [() => never, () => [refused(NOT_ENOUGH_REPLICAS)]]) {
      const broker = fakeBroker({ a: [1], b: [2] });
      const producer = sendingProducer(broker.client, 'none');
      broker.instead.push(fate, () => never);
      const sending = producer.send([record('1'), record('2', { topic: 'b' })], LIMIT);
      while (broker.requests.length < 2) await new Promise(setImmediate);
      const start = performance.now();
      await producer.close();
      expect((await sending)[1]).toMatchObject({ code: 'CLOSED', retryable: false });
      expect(performance.now() - start).toBeLessThan(1_000);
      expect(broker.closed).toBe(true);
      expect(codes(await producer.send([record('3')], LIMIT))).toEqual(['CLOSED']);
      expect(broker.requests).toHaveLength(2);
    }
  });

  it('finds by halves the record for whose sake a batch is refused, and keeps the order', async () => {
    const broker = fakeBroker({ a: [1] });
    const producer = sendingProducer(broker.client, 'none');
    const values = ['1', '2', '3', 'too large', '5', '6', '7'];
    const large = Buffer.from('too large');
    for (let tries = 0; tries < 20; tries += 1) {
      broker.instead.push((request) =>
        request.batches[0]!.bytes.includes(large) ? [refused(MESSAGE_TOO_LARGE)] : broker.write(request),
      );
    }
    const outcomes = await producer.send(
      values.map((value) => record(value)),
      LIMIT,
    );
    expect(codes(outcomes)).toEqual(
      values.map((value) => (value === 'too large' ? 'MESSAGE_TOO_LARGE' : undefined)),
    );
    expect(broker.log('a')).toEqual(values.filter((value) => value !== 'too large'));
    // The whole batch had numbers, and the broker expects them still.
    expect(broker.requests[1]).toMatchObject({ producerIds: [2n], sequences: [0] });
  });

  it('lets nothing overtake what failed in its partition', async () => {
    const broker = fakeBroker({ a: [1] });
    const producer = sendingProducer(broker.client, 'none');
    broker.instead.push(() => [refused(UNKNOWN_TOPIC_OR_PARTITION)]);
    broker.instead.push(() => [refused(UNKNOWN_TOPIC_OR_PARTITION)]);
    const half = 'x'.repeat(600_000);
    const outcomes = await producer.send([record(`1${half}`), record(`2${half}`)], LIMIT);
    expect(codes(outcomes)).toEqual(['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_OR_PARTITION']);
    expect(broker.requests).toHaveLength(2);
    expect(broker.log('a')).toEqual([]);
  });

  it('takes a refusal for that only where no earlier try may have been written', async () => {
    const broker = fakeBroker({ a: [1] });
    const producer = sendingProducer(broker.client, 'none');
    broker.instead.push(async () => {
      throw lost;
    });
    broker.instead.push(() => [refused(TOPIC_AUTHORIZATION_FAILED)]);
    expect(codes(await producer.send([record('1')], LIMIT))).toEqual(['CONNECTION']);
    // Here there was not even an id.
    broker.refusals.producerId.push(lost);
    broker.instead.push(() => [refused(TOPIC_AUTHORIZATION_FAILED)]);
    expect(codes(await producer.send([record('1')], LIMIT))).toEqual(['TOPIC_AUTHORIZATION_FAILED']);
  });

  it('waits a little for a topic, for an id and for brokers', async () => {
    const broker = fakeBroker({ a: [1] });
    const producer = sendingProducer(broker.client, 'none');
    broker.refusals.producerId.push(refused(COORDINATOR_LOAD_IN_PROGRESS));
    await producer.connect();
    expect(broker.ids).toBe(1);
    broker.refusals.leaders.push(lost, lost);
    expect(await producer.send([record('1')], LIMIT)).toEqual([undefined]);
    const sending = producer.send([record('1', { topic: 'new' })], LIMIT);
    setTimeout(() => broker.topics.set('new', [1]), 150);
    expect(await sending).toEqual([undefined]);
  });

  it('tells of topics that are none, and writes to the others', async () => {
    const broker = fakeBroker({ a: [1] });
    const producer = sendingProducer(broker.client, 'none');
    broker.forbidden.add('no/name');
    const records = [
      record('1', { topic: 'missing' }),
      record('2', { topic: 'no/name' }),
      record('3', { partition: 7 }),
      record('4'),
    ];
    expect(codes(await producer.send(records, LIMIT))).toEqual([
      'UNKNOWN_TOPIC_OR_PARTITION',
      'INVALID_TOPIC_EXCEPTION',
      'UNKNOWN_TOPIC_OR_PARTITION',
      undefined,
    ]);
    expect(broker.log('a')).toEqual(['4']);
  });

  it('makes no request larger than a broker takes', async () => {
    const broker = fakeBroker({ a: Array.from({ length: 40 }, () => 1) });
    const producer = sendingProducer(broker.client, 'none');
    const value = 'x'.repeat(990_000);
    const records = Array.from({ length: 40 }, (_, partition) => record(value, { partition }));
    expect(new Set(await producer.send(records, LIMIT))).toEqual(new Set([undefined]));
    expect(broker.requests.map(({ batches }) => batches.length)).toEqual([8, 8, 8, 8, 8]);
    expect(broker.ids).toBe(1);
  });
});
