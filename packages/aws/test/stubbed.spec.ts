import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ConnectionError,
  MessageTooLargeError,
  systemClock,
  type OutgoingMessage,
  type Settlement,
  type Subscription,
  type Transport,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import { aws, type AwsOptions } from '../src/index.js';
import { withIntake } from '../src/intake.js';
import { refuse, startStub, type Stub } from './stub.js';
import { startS3Stub } from './support/s3-stub.js';
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
const subscription: Subscription = {
  source: { kind: 'topic', name: 'orders' },
  group: 'group',
  ordered: false,
  broadcast: false,
  maxUnsettled: 10,
};
const subscribe = () => transport.subscribe(subscription, async () => acknowledge);
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

describe('an event that is larger than SNS takes', () => {
  const large = { body: Buffer.from('x'.repeat(300_000)) };
  const sent = (): number => stub.count('PublishBatch') + stub.count('SendMessageBatch');

  it.each([0, 60_000])('is refused before it is sent, with a delay of %i ms', async (delay) => {
    await open({ maxBodySize: 500_000 }).connect();
    const error = await publish(never, { ...large, delay }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(MessageTooLargeError);
    expect((error as Error).message).toMatch(
      /^the message with its attributes has 300\d\d\d bytes: 'orders' takes 262144 at most; publish/,
    );
    expect(sent()).toBe(0);
  });

  it.each([0, 60_000])(
    'has its body in S3, and is refused where its headers alone are too large, with a delay of %i ms',
    async (delay) => {
      const s3 = await startS3Stub();
      try {
        const client = { endpoint: s3.endpoint, forcePathStyle: true };
        await open({ largePayloads: { bucket: 'bucket', client } }).connect();
        await publish(never, { ...large, delay });
        expect(sent()).toBe(1);
        const headers = { long: 'x'.repeat(270_000) };
        await expect(publish(never, { ...large, headers, delay })).rejects.toThrow(MessageTooLargeError);
        expect(sent()).toBe(1);
      } finally {
        await transport.close();
        await s3.close();
      }
    },
  );
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

  const refused = () =>
    refuse(
      'SignatureDoesNotMatch',
      403,
      `the canonical string should have been x-amz-security-token:${secretToken}`,
    );
  const showsNoSecret = (error: unknown): void => {
    for (let about: unknown = error; about instanceof Error; about = about.cause)
      expect(`${about.stack} ${JSON.stringify(about)}`).not.toMatch(new RegExp(`${secret}|${secretToken}`));
  };
  const tasks = { destination: { kind: 'queue', name: 'tasks' } } as const;

  it.each<[string, Partial<OutgoingMessage>]>([
    ['a topic', {}],
    ['a queue', tasks],
    ['the queue of its delay', { delay: 60_000 }],
  ])('that become wrong let a publish wait that looks for %s, as any other', async (_, more) => {
    await open().connect();
    stub.onAll(refused);
    const published = publish(never, more).catch((error: unknown) => error);
    await until(async () => !(await isReady()), 'it to be noticed');
    stub.onAll(undefined);
    expect(await published).toBeUndefined();
    expect(stub.count('PublishBatch') + stub.count('SendMessageBatch')).toBe(1);
  });

  it('that stay wrong end such a publish with the reason of its signal', async () => {
    await open().connect();
    stub.onAll(refused);
    const limit = new AbortController();
    const published = publish(limit.signal).catch((error: unknown) => error);
    await until(async () => !(await isReady()), 'it to be noticed');
    const reason = new Error('its time is over');
    limit.abort(reason);
    expect(await published).toBe(reason);
  });

  it('that become wrong end at once what a start makes, and no secret is shown', async () => {
    await open().connect();
    stub.onAll(refused);
    const need = { subscriptions: [], publications: [], delays: false };
    const destination = { kind: 'topic', name: 'orders' } as const;
    for (const start of [
      () => subscribe(),
      () => transport.establish({ ...need, publications: [{ destination, ordered: false }] }),
      () => transport.establish({ ...need, delays: true }),
    ]) {
      const error = await start().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ConnectionError);
      expect((error as Error).message).toMatch(/refused the credentials: SignatureDoesNotMatch/);
      showsNoSecret(error);
    }
  });

  it('that may not look for the queue of delays end the start in Lambda in the module’s words', async () => {
    stub.on('GetQueueUrl', refused);
    const error = await withIntake({ sources: new Map(), delays: true }, () => open())
      .connect()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConnectionError);
    expect((error as Error).message).toMatch(/refused the credentials: SignatureDoesNotMatch/);
    showsNoSecret(error);
  });

  it('that are refused to what passes on delayed messages are told without a secret', async () => {
    const nm = { due: 0, to: { kind: 'topic', name: 'orders' } };
    stub.on('ReceiveMessage', (_, nth) =>
      nth > 0
        ? 'usual'
        : {
            Messages: [
              {
                MessageId: 'm',
                ReceiptHandle: 'r',
                Body: '1',
                MD5OfBody: createHash('md5').update('1').digest('hex'),
                MessageAttributes: { nm: { DataType: 'String', StringValue: JSON.stringify(nm) } },
              },
            ],
          },
    );
    stub.on('CreateTopic', refused);
    await open().connect();
    const warnings = () => events.flatMap((event) => (event.type === 'warning' ? [event] : []));
    await until(() => warnings().length > 0, 'the warning');
    expect(warnings()[0]!.message).toMatch(/cannot be passed on/);
    expect(warnings()[0]!.error).toMatchObject({ name: 'SignatureDoesNotMatch' });
    showsNoSecret(warnings()[0]!.error);
  });

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

describe('closing', () => {
  it('carries out what a handler decides at the very moment', async () => {
    // What passes on delayed messages would take what is put into the stub's one queue.
    stub.on('GetQueueUrl', ({ input }) =>
      input.QueueName.endsWith('--delay') ? refuse('QueueDoesNotExist') : 'usual',
    );
    await open().connect();
    let decide!: (settlement: Settlement) => void;
    const begun = new Promise<void>((resolve) => {
      void transport.subscribe(subscription, () => {
        resolve();
        return new Promise<Settlement>((settle) => (decide = settle));
      });
    });
    await until(() => stub.polls > 0, 'a poll');
    stub.put('m0');
    await begun;
    decide({ type: 'dead-letter', failure: { name: 'E', message: 'e', at: 0 }, attempts: 1 });
    await transport.close();
    expect(stub.of('SendMessageBatch').map(({ input }) => input.QueueUrl.split('/').at(-1))).toEqual([
      'group_orders--dead',
    ]);
    expect(stub.count('DeleteMessageBatch')).toBeGreaterThan(0);
    expect(events.filter(({ type }) => type === 'settlement-failed')).toEqual([]);
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
