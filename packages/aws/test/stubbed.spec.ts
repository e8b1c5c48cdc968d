import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ConnectionError,
  systemClock,
  type OutgoingMessage,
  type Transport,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import { aws, type AwsOptions } from '../src/index.js';
import { refuse, startStub, type Stub } from './stub.js';
import { acknowledge, until } from './support/stage.js';

let stub: Stub;
let transport: Transport;
let events: TransportEvent[];

beforeEach(async () => {
  stub = await startStub();
  events = [];
});

afterEach(async () => {
  await transport.close();
  await stub.close();
});

const secret = 's3cret-of-the-key';
const secretToken = 't0ken-of-the-session';
const good = { accessKeyId: 'good', secretAccessKey: secret, sessionToken: secretToken };

function open(options: AwsOptions = {}, connectTimeout = 20_000): Transport {
  transport = aws({
    region: 'eu-west-1',
    endpoint: stub.url,
    client: { credentials: good },
    ...options,
  }).open({
    connection: 'default',
    service: 'service',
    topology: 'create',
    connectTimeout,
    clock: systemClock,
    report: (event) => events.push(event),
  });
  return transport;
}

const never = new AbortController().signal;
let messages = 0;
const publish = (signal = never, more: Partial<OutgoingMessage> = {}): Promise<void> => {
  const message: OutgoingMessage = {
    id: `m${++messages}`,
    destination: { kind: 'topic', name: 'orders' },
    body: Buffer.from('1'),
    contentType: 'application/json',
    headers: {},
    delay: 0,
    ordered: false,
    publishedAt: Date.now(),
    source: '/test',
    ...more,
  };
  return transport.publish(message, signal);
};
const subscribe = () =>
  transport.subscribe(
    {
      source: { kind: 'topic', name: 'orders' },
      group: 'group',
      ordered: false,
      broadcast: false,
      maxUnsettled: 10,
    },
    async () => acknowledge,
  );
const isReady = async (): Promise<boolean> => (await transport.health()).ready;
const isKnown = (accessKeyId: string) => accessKeyId === 'good';

describe('throttling', () => {
  it('of what looks for a topic lets no message overtake another of its key', async () => {
    await open().connect();
    stub.on('CreateTopic', (_, nth) => (nth < 4 ? refuse('Throttled') : 'usual'));
    const names = Array.from({ length: 20 }, (_, n) => `${n}`);
    const one = (name: string) => publish(never, { ordered: true, key: 'k', body: Buffer.from(name) });
    await Promise.all(names.map(one));
    const arrived = stub
      .of('PublishBatch')
      .flatMap(({ input }) => input.PublishBatchRequestEntries)
      .map(({ Message }: { Message: string }) => Message);
    expect(arrived).toEqual(names);
  });

  it('delays, and is neither an outage nor a failure', async () => {
    await open().connect();
    await subscribe();
    let throttled = 0;
    stub.onAll(({ action }) =>
      action !== 'ListTopics' && throttled++ < 20
        ? refuse(action === 'PublishBatch' ? 'Throttled' : 'RequestThrottled', 400)
        : 'usual',
    );
    const health: boolean[] = [];
    let published = false;
    const all = Promise.all(Array.from({ length: 30 }, () => publish())).then(() => (published = true));
    await until(async () => {
      health.push(await isReady());
      return published;
    }, 'the publishes');
    await all;
    expect(throttled).toBeGreaterThanOrEqual(20);
    expect(new Set(health)).toEqual(new Set([true]));
    expect(events.map(({ type }) => type)).toEqual(['connected']);
  });
});

describe('what passes on delayed messages', () => {
  it('is not ready, and says why, where it may not read their queue', async () => {
    let denied = true;
    stub.on('ReceiveMessage', ({ input }) =>
      denied && input.QueueUrl.endsWith('service--delay') ? refuse('AccessDeniedException') : 'usual',
    );
    await open({ longPoll: '1s' }).connect();
    await until(async () => !(await isReady()), 'health to see it');
    const { parts } = await transport.health();
    expect(parts.filter(({ ready }) => !ready)).toEqual([
      {
        name: "delays of 'service'",
        ready: false,
        reason: expect.stringContaining("sqs:ReceiveMessage for queue 'service--delay'"),
      },
    ]);
    denied = false;
    await until(isReady, 'it to be ready again');
  });
});

describe('credentials', () => {
  it('that expire are had anew from their provider, and what was published meanwhile arrives', async () => {
    let given = 0;
    let valid = 'k1';
    // They are to be renewed within five minutes of their end, so that the provider is asked each time.
    const provider = async () => ({
      ...good,
      accessKeyId: given++ < 2 ? 'k1' : valid,
      expiration: new Date(Date.now() + 60_000),
    });
    stub.onAll(({ accessKeyId }) => (accessKeyId === valid ? 'usual' : refuse('ExpiredToken', 403)));
    await open({ client: { credentials: provider } }).connect();
    await publish();
    stub.onAll(() => refuse('ExpiredToken', 403));
    const published = publish();
    await until(async () => !(await isReady()), 'the expiry to be noticed');
    const before = given;
    valid = 'k2';
    stub.onAll(({ accessKeyId }) => (accessKeyId === valid ? 'usual' : refuse('ExpiredToken', 403)));
    await published;
    await until(isReady, 'it to be ready');
    expect(given).toBeGreaterThan(before);
    expect(stub.of('PublishBatch').at(-1)!.accessKeyId).toBe('k2');
    expect(events.map(({ type }) => type)).toEqual(['connected', 'disconnected', 'connected']);
  });

  it.each(['InvalidClientTokenId', 'SignatureDoesNotMatch'])(
    'that are wrong end the start at once with %s, and no secret is shown',
    async (code) => {
      stub.onAll(() =>
        refuse(code, 403, `the canonical string should have been x-amz-security-token:${secretToken}`),
      );
      const began = Date.now();
      const error = await open()
        .connect()
        .then(
          () => undefined,
          (thrown: unknown) => thrown as ConnectionError,
        );
      expect(error).toBeInstanceOf(ConnectionError);
      expect(error!.message).toContain(`refused the credentials: ${code}`);
      expect(error!.message).toContain(new URL(stub.url).host);
      expect(Date.now() - began).toBeLessThan(10_000);
      for (let about: unknown = error; about instanceof Error; about = about.cause)
        expect(`${about.stack} ${JSON.stringify(about)}`).not.toMatch(new RegExp(`${secret}|${secretToken}`));
    },
  );

  it('that become wrong while it runs make it not ready, and it recovers when they are good', async () => {
    await open().connect();
    await subscribe();
    stub.onAll(() => refuse('InvalidClientTokenId', 403));
    const published = publish();
    await until(async () => !(await isReady()), 'it to be noticed');
    const { parts } = await transport.health();
    expect(parts[0]!.reason).toMatch(/refused the credentials: InvalidClientTokenId/);
    stub.onAll(({ accessKeyId }) => (isKnown(accessKeyId) ? 'usual' : refuse('InvalidClientTokenId', 403)));
    await published;
    await until(isReady, 'it to be ready');
    expect(events.map(({ type }) => type)).toEqual(['connected', 'disconnected', 'connected']);
  });
});

describe('an answer that never comes', () => {
  it('ends a publish within its limit, and later ones go on', async () => {
    await open().connect();
    await publish();
    stub.on('PublishBatch', (_, nth) => (nth === 0 ? 'never' : 'usual'));
    const limit = new AbortController();
    const lost = publish(limit.signal);
    await until(() => stub.count('PublishBatch') === 2, 'the request');
    const reason = new Error('its time is over');
    limit.abort(reason);
    await expect(lost).rejects.toBe(reason);
    await publish();
    expect(await isReady()).toBe(true);
  });

  it('is given up after ten seconds, and the request is made again', async () => {
    await open().connect();
    await publish();
    stub.on('PublishBatch', (_, nth) => (nth === 0 ? 'never' : 'usual'));
    await publish();
    expect(stub.count('PublishBatch')).toBe(3);
    expect(events.map(({ type }) => type)).toEqual(['connected']);
  });

  it('at the start is waited for no longer than allowed', async () => {
    stub.onAll(() => 'never');
    await expect(open({}, 1_000).connect()).rejects.toThrow(/cannot be reached: no answer within 1000 ms/);
  });
});
