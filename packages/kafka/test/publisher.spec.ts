import { describe, expect, it } from '@jest/globals';
import { systemClock, TopologyError, type TransportEvent } from '@nest-messaging/core/contract';
import type { Connection } from '../src/connection.js';
import { DriverError } from '../src/driver/driver-error.js';
import type { Client, NewRecord, NewTopic } from '../src/driver/driver.js';
import { createProducer, type Producer } from '../src/producer/producer.js';
import { createPublisher, type Publisher, type PublisherParts } from '../src/publisher.js';
import { createTopics, type Topics } from '../src/topics.js';
import { turns, virtualClock } from '../../testing/src/virtual-clock.js';
import { fakeBroker, lost, type FakeBroker } from './producer/fake-broker.js';
import { until } from './stage.js';

const refusal = (code: string, retryable = false): DriverError =>
  new DriverError(code, `as the test wants it: ${code}`, { retryable });

const record = (topic: string, value: string): NewRecord => ({
  topic,
  key: null,
  value: Buffer.from(value),
  headers: [],
});

const need = (name: string): NewTopic => ({ name, partitions: 1, replicas: -1, config: {} });

interface Play {
  readonly publisher: Publisher;
  readonly events: TransportEvent[];
  /** What was written, in its order. */
  readonly written: string[];
  /** How many records each request had. */
  readonly requests: number[];
  /** What the broker says of a topic's records; may be set by the test. */
  readonly broker: {
    answer: (topic: string) => DriverError | undefined;
    ensure: (name: string) => Error | undefined;
    /** Requests wait for it. */
    gate: Promise<void>;
    connect: () => Error | undefined;
  };
  readonly forgotten: string[];
  send(
    topic: string,
    value: string,
    more?: Partial<NewRecord> & { readonly signal?: AbortSignal },
  ): Promise<void>;
}

const never = new AbortController().signal;

/** A publisher whose broker is the test. */
function play(more: Partial<PublisherParts> = {}): Play {
  const events: TransportEvent[] = [];
  const written: string[] = [];
  const requests: number[] = [];
  const forgotten: string[] = [];
  const broker: Play['broker'] = {
    answer: () => undefined,
    ensure: () => undefined,
    gate: Promise.resolve(),
    connect: () => undefined,
  };
  const known = new Set<string>();
  const producer = (): Producer => ({
    async connect() {
      const error = broker.connect();
      if (error) throw error;
    },
    async place(records) {
      return records.map(() => 0);
    },
    async write({ topic }, records, _, { settled }) {
      requests.push(records.length);
      await broker.gate;
      for (const [index, { value }] of records.entries()) {
        const error = broker.answer(topic);
        if (!error) written.push(value!.toString());
        settled(index, error);
      }
    },
    async close() {},
  });
  const topics: Topics = {
    async ensure(needs) {
      for (const { name } of needs) {
        const error = broker.ensure(name);
        if (error) throw error;
        known.add(name);
      }
    },
    has: (name) => known.has(name),
    forget(name) {
      forgotten.push(name);
      known.delete(name);
    },
  };
  const connection = { up: true, onUp: () => () => {}, suspect: () => {} } as unknown as Connection;
  const publisher = createPublisher({
    producer,
    connection,
    topics,
    linger: 0,
    requestTimeout: 1_000,
    clock: systemClock,
    report: (event) => events.push(event),
    ...more,
  });
  return {
    publisher,
    events,
    written,
    requests,
    broker,
    forgotten,
    send: (topic, value, { signal = never, ...about } = {}) =>
      publisher.send(
        {
          record: () => ({ ...record(topic, value), ...about }),
          needs: [need(topic)],
        },
        signal,
      ),
  };
}

describe('A publisher', () => {
  it('gathers what is published in one turn into one request, in its order', async () => {
    const { send, requests, written } = play();
    await send('t', 'first');
    const bodies = Array.from({ length: 100 }, (_, n) => `${n}`);
    await Promise.all(bodies.map((body) => send('t', body)));
    expect(requests).toEqual([1, 100]);
    expect(written).toEqual(['first', ...bodies]);
  });

  it('waits for others as long as it may linger, once for all', async () => {
    const clock = virtualClock(0);
    const { send, requests } = play({ linger: 20, clock });
    const first = send('t', '1');
    await clock.advance(15);
    const second = send('t', '2');
    await clock.advance(4);
    expect(requests).toEqual([]);
    await clock.advance(1);
    await Promise.all([first, second]);
    const third = send('t', '3');
    await clock.advance(20);
    await third;
    expect(requests).toEqual([2, 1]);
  });

  it('that may not linger sends at the end of the turn', async () => {
    const clock = virtualClock(0);
    const { send, requests } = play({ clock });
    const first = send('t', '1');
    await turns();
    await Promise.all([first, send('t', '2'), Promise.resolve().then(() => send('t', '3'))]);
    expect([requests, clock.nextAt]).toEqual([[1, 2], undefined]);
  });

  it('sends what comes while a request is under way with the next one', async () => {
    const { send, requests, broker } = play();
    let open = (): void => undefined;
    broker.gate = new Promise((resolve) => (open = resolve));
    const all = [send('t', 'first')];
    await until(() => requests.length === 1, 'the first request');
    for (let n = 0; n < 50; n++) {
      all.push(send('t', `${n}`));
      await new Promise((resolve) => setImmediate(resolve));
    }
    open();
    await Promise.all(all);
    expect(requests).toEqual([1, 50]);
  });

  it('settles each by itself', async () => {
    const { send, broker } = play();
    broker.answer = (topic) => (topic === 'large' ? refusal('MESSAGE_TOO_LARGE') : undefined);
    const outcomes = await Promise.allSettled(['a', 'large', 'b'].map((topic) => send(topic, topic)));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((outcomes[1] as PromiseRejectedResult).reason).toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
  });

  it.each([
    ['TOPIC_AUTHORIZATION_FAILED', 'PUBLISH_REJECTED', /may not write to topic 't': grant WRITE/],
    ['CLUSTER_AUTHORIZATION_FAILED', 'PUBLISH_REJECTED', /IDEMPOTENT_WRITE/],
    ['INVALID_RECORD', 'PUBLISH_REJECTED', /refused the message for topic 't'/],
    ['RECORD_LIST_TOO_LARGE', 'MESSAGE_TOO_LARGE', /larger than topic 't' takes/],
  ])('rejects what the broker refuses with %s as %s', async (code, expected, text) => {
    const { send, broker } = play();
    broker.answer = () => refusal(code);
    await expect(send('t', 'x')).rejects.toMatchObject({
      code: expected,
      message: expect.stringMatching(text),
    });
  });

  it('waits while too few replicas are in sync, says so, and takes others meanwhile', async () => {
    const { publisher, send, broker, events, written } = play();
    broker.answer = (topic) => (topic === 'safe' ? refusal('NOT_ENOUGH_REPLICAS', true) : undefined);
    let resolved = false;
    const patient = send('safe', 'late').then(() => (resolved = true));
    const impatient = send('safe', 'never', { signal: AbortSignal.timeout(300) });
    await until(() => publisher.blocked, 'it to be told');
    expect(events).toEqual([
      {
        type: 'blocked',
        reason: expect.stringMatching(/^Kafka takes nothing in partition 0 of 'safe': NOT_ENOUGH_REPLICAS/),
      },
    ]);
    await send('plain', 'meanwhile');
    await expect(impatient).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(resolved).toBe(false);
    broker.answer = () => undefined;
    await patient;
    expect(publisher.blocked).toBeUndefined();
    expect(events.slice(1)).toEqual([{ type: 'unblocked' }]);
    expect(written).toEqual(['meanwhile', 'late']);
  });

  it('sends nothing that was given up before it was sent', async () => {
    const { send, broker, requests, written } = play();
    let open = (): void => undefined;
    broker.gate = new Promise((resolve) => (open = resolve));
    const first = send('t', 'first');
    await until(() => requests.length === 1, 'the first request');
    const limit = new AbortController();
    const late = send('t', 'given up', { signal: limit.signal });
    const reason = new Error('too late');
    limit.abort(reason);
    await expect(late).rejects.toBe(reason);
    open();
    await first;
    await send('t', 'last');
    expect(written).toEqual(['first', 'last']);
    await expect(send('t', 'x', { signal: limit.signal })).rejects.toBe(reason);
  });

  it('makes a deleted topic anew once, and then tells', async () => {
    const { send, broker, forgotten, written } = play();
    let times = 0;
    broker.answer = () => (times++ === 0 ? refusal('UNKNOWN_TOPIC_OR_PARTITION', true) : undefined);
    await send('t', 'mended');
    expect([forgotten, written]).toEqual([['t'], ['mended']]);
    broker.answer = () => refusal('UNKNOWN_TOPIC_OR_PARTITION', true);
    await expect(send('t', 'x')).rejects.toMatchObject({ code: 'PUBLISH_REJECTED' });
  });

  it('does not hold up others for a topic that cannot be made', async () => {
    const { send, broker } = play();
    broker.ensure = (name) => (name === 'bad' ? new TopologyError('no') : undefined);
    const [bad, good] = await Promise.allSettled([send('bad', 'x'), send('good', 'y')]);
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'TOPOLOGY' } });
    expect(good.status).toBe('fulfilled');
  });

  /** Sends with a delay: what all of them need is `delays`, and each its own topic. */
  const sendDelayed = ({ publisher }: Play, topic: string): Promise<void> =>
    publisher.send({ record: () => record('delays', topic), needs: [need(topic), need('delays')] }, never);

  it('settles each by its own needs, also where others of them are the same', async () => {
    const scene = play();
    scene.broker.ensure = (name) => (name === 'bad' ? new TopologyError('no') : undefined);
    const outcomes = await Promise.allSettled(
      ['bad', 'good', 'bad', 'better'].map((topic) => sendDelayed(scene, topic)),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled']);
    expect(scene.written).toEqual(['good', 'better']);
  });

  it('waits for a topic that cannot be made just now, and holds up no other for it', async () => {
    let away = true;
    const there = new Set<string>();
    const client = {
      leaders: async (names: readonly string[]) =>
        new Map(names.filter((name) => there.has(name)).map((name) => [name, [1]])),
      async createTopics(topics: readonly NewTopic[]) {
        const outcomes = topics.map(({ name }) =>
          away && name === 'late' ? refusal('NOT_CONTROLLER', true) : undefined,
        );
        topics.forEach(({ name }, at) => outcomes[at] ?? there.add(name));
        return outcomes;
      },
    } as unknown as Client;
    const scene = play({ topics: createTopics(client, 'create') });
    const late = sendDelayed(scene, 'late');
    await sendDelayed(scene, 'good');
    expect(scene.written).toEqual(['good']);
    away = false;
    await late;
    expect(scene.written).toEqual(['good', 'late']);
  });

  it('keeps trying to connect, and sends what waited', async () => {
    const { send, broker, written } = play();
    let times = 0;
    broker.connect = () => (times++ < 2 ? refusal('CONNECTION', true) : undefined);
    await Promise.all([send('t', '1'), send('t', '2')]);
    expect(written).toEqual(['1', '2']);
  });

  it('that is closed rejects what was not sent, tells that the rest is unknown, and takes nothing more', async () => {
    const { publisher, send, broker, requests } = play();
    broker.gate = new Promise(() => {});
    const underway = send('t', 'under way');
    await until(() => requests.length === 1, 'the request');
    const waiting = send('t', 'waiting');
    const [outcomes] = await Promise.all([Promise.allSettled([underway, waiting]), publisher.close()]);
    expect(outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason)).toEqual([
      expect.objectContaining({ code: 'CLOSED', message: expect.stringMatching(/outcome is unknown/) }),
      expect.objectContaining({
        code: 'CLOSED',
        message: expect.stringMatching(/before the message was sent/),
      }),
    ]);
    await expect(send('t', 'late')).rejects.toMatchObject({ code: 'CLOSED' });
    await publisher.close();
  });
});

/** A publisher of the real producer. */
function playFor(broker: FakeBroker, requestTimeout = LONG): Play {
  return play({ producer: () => createProducer(broker.client, 'none'), requestTimeout });
}

const NOT_ENOUGH_REPLICAS = 19;
/** Of the transport. Whoever waits for a sick partition waits so long at least. */
const LONG = 10_000;

describe('While a topic takes nothing', () => {
  it('those published together with it, and later, are sent without it', async () => {
    const broker = fakeBroker({ bad: [1], good: [1], other: [1] });
    const { publisher, send } = playFor(broker);
    broker.sick.set('bad', NOT_ENOUGH_REPLICAS);
    const start = performance.now();
    const bad = send('bad', 'bad');
    await Promise.all([send('good', '1'), send('other', '1')]);
    expect(broker.requests.map(({ batches }) => batches.length)).toEqual([3]);
    await until(() => broker.requests.length > 2, 'the sick one to go again');
    await send('good', '2');
    await Promise.all([send('good', '3'), send('other', '2')]);
    expect(performance.now() - start).toBeLessThan(LONG / 2);
    expect([broker.log('good'), broker.log('other'), broker.log('bad')]).toEqual([
      ['1', '2', '3'],
      ['1', '2'],
      [],
    ]);
    broker.sick.clear();
    await bad;
    expect([broker.log('bad'), broker.ids]).toEqual([['bad'], 1]);
    await publisher.close();
  });

  it.each([
    ['has no leader', (broker: FakeBroker) => broker.topics.set('a', [1, -1])],
    ['has too few replicas', (broker: FakeBroker) => broker.sick.set('a:1', NOT_ENOUGH_REPLICAS)],
    [
      'is led by a node that does not answer',
      (broker: FakeBroker) => {
        broker.topics.set('a', [1, 2]);
        const open = broker.client.produce;
        broker.client.produce = (node, ...more) => (node === 2 ? new Promise(() => {}) : open(node, ...more));
      },
    ],
  ])('or one partition of it that %s, the others do', async (_, sicken) => {
    const broker = fakeBroker({ a: [1, 1] });
    const { publisher, send } = playFor(broker);
    sicken(broker);
    const start = performance.now();
    const bad = send('a', 'bad', { partition: 1, signal: AbortSignal.timeout(1_000) });
    await send('a', '1', { partition: 0 });
    await send('a', '2', { partition: 0 });
    expect(performance.now() - start).toBeLessThan(1_000);
    await expect(bad).rejects.toMatchObject({ name: 'TimeoutError' });
    expect([broker.log('a', 0), broker.log('a', 1)]).toEqual([['1', '2'], []]);
    await publisher.close();
  });

  it('it keeps its order, over several requests whose time is over, and sends nothing that was given up', async () => {
    const broker = fakeBroker({ a: [1, 1] });
    const { publisher, send } = playFor(broker, 150);
    broker.sick.set('a', NOT_ENOUGH_REPLICAS);
    const all: Promise<void>[] = [];
    const limit = new AbortController();
    const given: Promise<unknown>[] = [];
    for (let round = 0; round < 4; round++) {
      for (const name of ['x', 'y'])
        all.push(send('a', `${name}${round}`, { partition: name === 'x' ? 0 : 1 }));
      given.push(
        send('a', `given up ${round}`, { partition: 0, signal: limit.signal }).catch((e: unknown) => e),
      );
      const ids = broker.ids;
      await until(() => broker.ids > ids, 'another producer id');
    }
    limit.abort('enough');
    expect(await Promise.all(given)).toEqual(Array.from({ length: 4 }, () => 'enough'));
    const ids = broker.ids;
    await until(() => broker.ids > ids, 'the batch without those');
    broker.sick.clear();
    await Promise.all(all);
    expect([broker.log('a', 0), broker.log('a', 1)]).toEqual([
      ['x0', 'x1', 'x2', 'x3'],
      ['y0', 'y1', 'y2', 'y3'],
    ]);
    await publisher.close();
  });

  it('what has no key finds another partition once its time is over', async () => {
    const broker = fakeBroker({ a: [1, 1] });
    const { publisher, send } = playFor(broker, 150);
    broker.sick.set('a:0', NOT_ENOUGH_REPLICAS);
    await Promise.all(['1', '2', '3', '4'].map((value) => send('a', value)));
    expect([[...broker.log('a', 1)].sort(), broker.log('a', 0)]).toEqual([['1', '2', '3', '4'], []]);
    await publisher.close();
  });

  it('what may have been written goes again byte for byte, and nothing overtakes it', async () => {
    const broker = fakeBroker({ a: [1], good: [1] });
    const { publisher, send } = playFor(broker);
    broker.instead.push(async (request) => {
      await broker.write(request);
      broker.sick.set('a', NOT_ENOUGH_REPLICAS);
      throw lost;
    });
    const all = [send('a', '1')];
    await until(() => broker.requests.length > 1, 'it to go again');
    all.push(send('a', '2'));
    await send('good', 'meanwhile');
    broker.sick.clear();
    await Promise.all(all);
    expect([broker.log('a'), broker.log('good'), broker.ids]).toEqual([['1', '2'], ['meanwhile'], 1]);
    await publisher.close();
  });

  it('it is told, until the last of them takes something again', async () => {
    const broker = fakeBroker({ a: [1], b: [1], good: [1] });
    const { publisher, send, events } = playFor(broker, 150);
    broker.sick.set('a', NOT_ENOUGH_REPLICAS).set('b', NOT_ENOUGH_REPLICAS);
    const both = [send('a', '1'), send('b', '1')];
    await until(
      () => /partition 0 of 'a': NOT_ENOUGH_REPLICAS/.exec(publisher.blocked ?? ''),
      'one to be told',
    );
    await send('good', '1');
    broker.sick.delete('a');
    await both[0];
    await until(
      () => /partition 0 of 'b': NOT_ENOUGH_REPLICAS/.exec(publisher.blocked ?? ''),
      'the other one',
    );
    broker.sick.delete('b');
    await both[1];
    expect(publisher.blocked).toBeUndefined();
    expect(events.map(({ type }) => type)).toEqual(['blocked', 'unblocked']);
    await publisher.close();
  });
});

describe('A publisher of the real producer', () => {
  it('makes one request of what is pending in a turn, whatever its topics and partitions', async () => {
    const broker = fakeBroker({ a: [1, 1, 1], b: [1], c: [2] });
    const { publisher, send } = playFor(broker);
    const sendAll = () => Promise.all(['a', 'a', 'a', 'b', 'c'].map((topic, n) => send(topic, `${n}`)));
    await sendAll();
    await sendAll();
    expect(broker.requests.map(({ node, batches }) => [node, batches.length]).sort()).toEqual([
      [1, 4],
      [1, 4],
      [2, 1],
      [2, 1],
    ]);
    expect(broker.ids).toBe(1);
    await publisher.close();
  });

  it('keeps the order of a partition of a topic that it hears of late', async () => {
    const broker = fakeBroker({});
    const { publisher, send } = playFor(broker);
    const all = [send('a', '1')];
    await turns();
    all.push(send('a', '2'));
    broker.topics.set('a', [1]);
    all.push(send('a', '3'));
    await Promise.all(all);
    expect(broker.log('a')).toEqual(['1', '2', '3']);
    await publisher.close();
  });
});
