import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ClosedError,
  MessageTooLargeError,
  PublishRejectedError,
  systemClock,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import { createClients, type Clients } from '../src/clients.js';
import { createConnection, type Connection } from '../src/connection.js';
import { createSending, type Sending } from '../src/sending.js';
import { batchAnswer, refuse, startStub, type Call, type Stub } from './stub.js';
import { until } from './support/stage.js';

const arn = 'arn:aws:sns:eu-west-1:000000000000:orders';
const never = new AbortController().signal;
const credentials = { accessKeyId: 'someone', secretAccessKey: 's3cret' };

let stub: Stub;
let clients: Clients;
let connection: Connection;
let sending: Sending;
let events: TransportEvent[];
let places = 0;

beforeEach(async () => {
  stub = await startStub();
  const config = { region: 'eu-west-1', endpoint: stub.url, credentials };
  clients = createClients({ sns: config, sqs: config });
  events = [];
  connection = createConnection({
    sns: clients.sns,
    where: stub.url,
    timeout: 10_000,
    clock: systemClock,
    report: (event) => events.push(event),
  });
  await connection.open();
  sending = createSending({ ...clients, connection, linger: 3, clock: systemClock });
});

afterEach(async () => {
  await sending.close();
  connection.close();
  clients.destroy();
  await stub.close();
});

const publish = (body: string, signal = never, to = arn, key = body): Promise<void> =>
  sending.toTopic(to, { body, attributes: {} }, { key, deduplication: `${++places}` }, signal);
const send = (body: string, queue = 'tasks', key = body): Promise<void> =>
  sending.toQueue(
    `${stub.url}/000000000000/${queue}`,
    { body, attributes: {} },
    { key, deduplication: `${++places}` },
    0,
    never,
  );

const bodiesOf = ({ input }: Call): string[] =>
  (input.PublishBatchRequestEntries ?? input.Entries).map(
    ({ Message, MessageBody }: { Message?: string; MessageBody?: string }) => Message ?? MessageBody,
  );
const texts = (count: number, prefix = 'm'): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}`);
const statuses = async (all: readonly Promise<void>[]): Promise<string[]> =>
  (await Promise.allSettled(all)).map(({ status }) => status);

describe('messages published at the same time', () => {
  it('share requests of ten', async () => {
    await Promise.all(texts(1_000).map((text) => publish(text)));
    expect(stub.count('PublishBatch')).toBe(100);
  });

  it('share requests of 256 KiB to a topic', async () => {
    await Promise.all(texts(4).map((text) => publish(text.padEnd(100_000, '.'))));
    expect(stub.of('PublishBatch').map((call) => bodiesOf(call).length)).toEqual([2, 2]);
  });

  it('share requests of 1 MiB to a queue', async () => {
    await Promise.all(texts(11).map((text) => send(text.padEnd(200_000, '.'))));
    expect(
      stub
        .of('SendMessageBatch')
        .map((call) => bodiesOf(call).length)
        .toSorted(),
    ).toEqual([1, 5, 5]);
  });

  it('that are larger than that are refused before they are sent', async () => {
    await expect(publish('.'.repeat(256 * 1024 + 1))).rejects.toThrow(MessageTooLargeError);
    await expect(send('.'.repeat(1024 * 1024 + 1))).rejects.toThrow(MessageTooLargeError);
    expect(stub.count('PublishBatch') + stub.count('SendMessageBatch')).toBe(0);
  });
});

describe('a message that is refused', () => {
  it('rejects alone', async () => {
    stub.on('PublishBatch', (call) =>
      batchAnswer(call, ({ Message }) => (Message === 'm1' ? { code: 'InvalidParameter' } : undefined)),
    );
    const results = await Promise.allSettled(texts(3).map((text) => publish(text)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((results[1] as PromiseRejectedResult).reason).toBeInstanceOf(PublishRejectedError);
  });

  it('rejects alone, too, where its whole request is refused for it', async () => {
    stub.on('SendMessageBatch', (call) =>
      bodiesOf(call).includes('m1') ? refuse('InvalidMessageContents') : 'usual',
    );
    expect(await statuses(texts(3).map((text) => send(text)))).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
  });

  it('for want of a right says which, and is not asked for again', async () => {
    stub.on('PublishBatch', () => refuse('AuthorizationError', 403));
    const results = await Promise.allSettled(texts(3).map((text) => publish(text)));
    for (const result of results)
      expect(String((result as PromiseRejectedResult).reason)).toMatch(/do not allow publishing to 'orders'/);
    expect(stub.count('PublishBatch')).toBe(1);
    expect(connection.up).toBe(true);
  });

  it('for want of its key says so', async () => {
    stub.on('SendMessageBatch', () => refuse('KmsAccessDenied'));
    await expect(send('m0')).rejects.toThrow(/the key that encrypts 'tasks': KmsAccessDenied.*kms:Decrypt/);
  });
});

describe('a message that may succeed later', () => {
  it('is sent again alone when it is throttled, and the connection is none the worse', async () => {
    stub.on('PublishBatch', (call, nth) =>
      batchAnswer(call, ({ Message }) =>
        nth === 0 && Message === 'm1' ? { code: 'Throttled', sender: true } : undefined,
      ),
    );
    await Promise.all(texts(3).map((text) => publish(text)));
    expect(stub.of('PublishBatch').map(bodiesOf)).toEqual([['m0', 'm1', 'm2'], ['m1']]);
    expect(events.map(({ type }) => type)).toEqual(['connected']);
  });

  it('is sent again when the service fails, as often as need be', async () => {
    stub.on('SendMessageBatch', (call, nth) =>
      batchAnswer(call, () => (nth < 3 ? { code: 'InternalError', sender: false } : undefined)),
    );
    await send('m0');
    expect(stub.count('SendMessageBatch')).toBe(4);
  });

  it('is sent again when the answer breaks off, whatever it had begun to say', async () => {
    stub.on('SendMessageBatch', (_, nth) => (nth < 2 ? 'half' : 'usual'));
    await send('m0');
    expect(stub.count('SendMessageBatch')).toBe(3);
  });

  it('is sent again when all requests are throttled for a while', async () => {
    stub.on('PublishBatch', (_, nth) => (nth < 5 ? refuse('ThrottledException', 429) : 'usual'));
    await Promise.all(texts(20).map((text) => publish(text)));
    expect(events.map(({ type }) => type)).toEqual(['connected']);
    // Nobody has asked whether the services are there: they have answered.
    expect(stub.count('ListTopics')).toBe(1);
  });

  it('is sent again under the same deduplication id', async () => {
    stub.on('PublishBatch', (call, nth) =>
      batchAnswer(call, () => (nth === 0 ? { code: 'InternalError', sender: false } : undefined)),
    );
    await publish('m0', never, `${arn}.fifo`);
    const ids = stub
      .of('PublishBatch')
      .map(({ input }) => input.PublishBatchRequestEntries[0].MessageDeduplicationId);
    expect(ids).toHaveLength(2);
    expect(ids[1]).toBe(ids[0]);
  });
});

describe('to FIFO', () => {
  it('messages of one key arrive in the order of the calls, whatever fails', async () => {
    const arrived: string[] = [];
    let requests = 0;
    stub.on('SendMessageBatch', async (call) => {
      // Answers overtake each other, and each third request fails as a whole.
      const nth = requests++;
      if (nth % 3 === 1) return refuse('InternalError', 500);
      await new Promise((resolve) => setTimeout(resolve, nth % 2 === 0 ? 10 : 0));
      arrived.push(...bodiesOf(call));
      return 'usual';
    });
    const all = texts(60).map((text, at) => `${'abc'[at % 3]}${text}`);
    await Promise.all(all.map((text) => send(text, 'steps.fifo', text[0]!)));
    for (const key of 'abc')
      expect(arrived.filter((text) => text.startsWith(key))).toEqual(
        all.filter((text) => text.startsWith(key)),
      );
  });

  it('a message that fails in a request goes again before the next of its key', async () => {
    stub.on('SendMessageBatch', (call, nth) =>
      batchAnswer(call, () => (nth === 0 ? { code: 'RequestThrottled' } : undefined)),
    );
    const first = send('a0', 'steps.fifo', 'a');
    await until(() => stub.count('SendMessageBatch') === 1, 'the first request');
    await Promise.all([first, send('a1', 'steps.fifo', 'a'), send('b0', 'steps.fifo', 'b')]);
    const sent = stub.of('SendMessageBatch').flatMap(bodiesOf);
    expect(sent.indexOf('a1')).toBeGreaterThan(sent.lastIndexOf('a0'));
    expect(sent.indexOf('b0')).toBeLessThan(sent.lastIndexOf('a0'));
  });
});

describe('a request without an answer', () => {
  it('holds up its own callers alone, and no longer than their signals let it', async () => {
    stub.on('PublishBatch', (call) => (bodiesOf(call).includes('lost') ? 'never' : 'usual'));
    const limit = new AbortController();
    const lost = publish('lost', limit.signal);
    await until(() => stub.count('PublishBatch') === 1, 'the request');
    await Promise.all(texts(30).map((text) => publish(text)));
    const reason = new Error('its time is over');
    limit.abort(reason);
    await expect(lost).rejects.toBe(reason);
    await publish('later');
  });

  it('ends when the transport is closed', async () => {
    stub.on('PublishBatch', () => 'never');
    const lost = publish('lost');
    await until(() => stub.count('PublishBatch') === 1, 'the request');
    const closed = sending.close();
    await expect(lost).rejects.toThrow(ClosedError);
    await closed;
  });
});

describe('while the services are away', () => {
  it('publishes wait, and are sent when they are back', async () => {
    stub.onAll(() => refuse('ExpiredToken', 403));
    const published = Promise.all(texts(20).map((text) => publish(text)));
    await until(() => !connection.up, 'the outage');
    const asked = stub.count('PublishBatch');
    stub.onAll(undefined);
    await published;
    expect(events.map(({ type }) => type)).toEqual(['connected', 'disconnected', 'connected']);
    expect(stub.count('PublishBatch') - asked).toBeLessThanOrEqual(4);
  });

  it('publishes are not sent in vain', async () => {
    stub.onAll(() => refuse('ExpiredToken', 403));
    const first = publish('first');
    await until(() => !connection.up, 'the outage');
    const asked = stub.count('ListTopics');
    const published = Promise.all(texts(100).map((text) => publish(text)));
    const sent = stub.count('PublishBatch');
    await until(() => stub.count('ListTopics') >= asked + 3, 'the services to be asked again');
    // One may have been on its way.
    expect(stub.count('PublishBatch')).toBeLessThanOrEqual(sent + 1);
    stub.onAll(undefined);
    await Promise.all([first, published]);
  });

  it('what has waited too long is not sent when they are back', async () => {
    stub.onAll(() => refuse('ExpiredToken', 403));
    const limit = new AbortController();
    const given = publish('given', limit.signal);
    await until(() => !connection.up, 'the outage');
    const kept = publish('kept');
    const reason = new Error('its time is over');
    limit.abort(reason);
    await expect(given).rejects.toBe(reason);
    const before = stub.count('PublishBatch');
    stub.onAll(undefined);
    await kept;
    expect(stub.of('PublishBatch').slice(before).flatMap(bodiesOf)).toEqual(['kept']);
  });
});
