import { describe, expect, it } from '@jest/globals';
import { systemClock, TopologyError, type TransportEvent } from '@nest-messaging/core/contract';
import type { Connection } from '../src/connection.js';
import { DriverError } from '../src/driver/driver-error.js';
import type { NewRecord } from '../src/driver/driver.js';
import type { Producer } from '../src/producer/producer.js';
import { createPublisher, type Publisher } from '../src/publisher.js';
import type { Topics } from '../src/topics.js';
import { until } from './stage.js';

const refusal = (code: string, retryable = false): DriverError =>
  new DriverError(code, `as the test wants it: ${code}`, { retryable });

const record = (topic: string, value: string): NewRecord => ({
  topic,
  key: null,
  value: Buffer.from(value),
  headers: [],
});

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
  send(topic: string, value: string, signal?: AbortSignal): Promise<void>;
}

const never = new AbortController().signal;

/** A publisher whose broker is the test. */
function play(): Play {
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
    async send(records) {
      requests.push(records.length);
      await broker.gate;
      return records.map(({ topic, value }) => {
        const error = broker.answer(topic);
        if (!error) written.push(value!.toString());
        return error;
      });
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
  });
  return {
    publisher,
    events,
    written,
    requests,
    broker,
    forgotten,
    send: (topic, value, signal = never) =>
      publisher.send(
        {
          record: () => record(topic, value),
          needs: [{ name: topic, partitions: 1, replicas: -1, config: {} }],
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
    const impatient = send('safe', 'never', AbortSignal.timeout(300));
    await until(() => publisher.blocked, 'it to be told');
    expect(events).toEqual([
      { type: 'blocked', reason: expect.stringMatching(/^Kafka takes nothing: .*NOT_ENOUGH_REPLICAS/) },
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
    const late = send('t', 'given up', limit.signal);
    const reason = new Error('too late');
    limit.abort(reason);
    await expect(late).rejects.toBe(reason);
    open();
    await first;
    await send('t', 'last');
    expect(written).toEqual(['first', 'last']);
    await expect(send('t', 'x', limit.signal)).rejects.toBe(reason);
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
