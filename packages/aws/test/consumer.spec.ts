import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock, type Clock } from '@nest-messaging/core/contract';
import { createClients, type Clients } from '../src/clients.js';
import { createConnection, type Connection } from '../src/connection.js';
import { createConsumer, type Consumer, type ConsumerParts, type End } from '../src/consumer.js';
import { keep, type Kept } from '../src/keeping.js';
import { batchAnswer, refuse, startStub, type Stub } from './stub.js';
import { until } from './support/stage.js';

let stub: Stub;
let clients: Clients;
let connection: Connection;
let consumer: Consumer;
let warnings: string[];

beforeEach(async () => {
  stub = await startStub();
  const config = {
    region: 'eu-west-1',
    endpoint: stub.url,
    credentials: { accessKeyId: 'someone', secretAccessKey: 's3cret' },
  };
  clients = createClients({ sns: config, sqs: config });
  warnings = [];
  connection = createConnection({
    sns: clients.sns,
    where: stub.url,
    timeout: 10_000,
    clock: systemClock,
    report: () => undefined,
  });
  await connection.open();
});

afterEach(async () => {
  await consumer?.abandon();
  connection.close();
  clients.destroy();
  await stub.close();
});

interface Begun {
  readonly body: string;
  readonly lost: AbortSignal;
  readonly leaving: AbortSignal;
  /** Decides what becomes of it. */
  end(how?: End): void;
}

/** A consumer whose handlers end when the test says so, or at once. */
function consume(parts: Partial<ConsumerParts> = {}, atOnce?: End) {
  const begun: Begun[] = [];
  const queue = { name: 'tasks', url: `${stub.url}/000000000000/tasks` };
  let now = 0;
  let most = 0;
  consumer = createConsumer({
    ...clients,
    queue,
    connection,
    maxInHand: 10,
    visibilityTimeout: 30_000,
    longPoll: 20_000,
    linger: 3,
    clock: systemClock,
    warn: (message) => warnings.push(message),
    work: (raw, leaving, lost) => () => {
      most = Math.max(most, ++now);
      return new Promise((resolve) => {
        const end = (how: End = 'done'): void => {
          now--;
          resolve(async () => how);
        };
        begun.push({ body: raw.Body!, lost, leaving, end });
        if (atOnce) end(atOnce);
      });
    },
    ...parts,
  });
  return {
    begun,
    get most() {
      return most;
    },
    began: (count: number) => until(() => begun.length >= count, `${count} begun`),
  };
}

const texts = (count: number, prefix = 'm'): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}`);
/** Without what only woke a poll. */
const handles = (action: string): string[] =>
  stub
    .of(action)
    .flatMap(({ input }) =>
      input.Entries.map(({ ReceiptHandle }: { ReceiptHandle: string }) => ReceiptHandle),
    )
    .filter((handle) => !handle.startsWith('wake/'));
const deleted = (): string[] => handles('DeleteMessageBatch');
/** Receipts whose messages were made visible at once. */
const shown = (): string[] =>
  stub
    .of('ChangeMessageVisibilityBatch')
    .flatMap(({ input }) =>
      input.Entries.filter((entry: any) => entry.VisibilityTimeout === 0).map(
        (entry: any) => entry.ReceiptHandle,
      ),
    );

describe('receiving', () => {
  it.each([1, 7, 25])('asks for no more than %i messages that may be in hand', async (maxInHand) => {
    stub.put(...texts(60));
    const work = consume({ maxInHand });
    await work.began(maxInHand);
    for (let at = 0; at < 60; at++) {
      await work.began(at + 1);
      work.begun[at]!.end();
    }
    expect(work.most).toBe(maxInHand);
    for (const { input } of stub.of('ReceiveMessage'))
      expect(input.MaxNumberOfMessages).toBeLessThanOrEqual(Math.min(10, maxInHand));
  });

  it('waits for ten free slots, and so pays one request for ten, while handlers end one by one', async () => {
    stub.put(...texts(400));
    const work = consume({ maxInHand: 40 });
    await work.began(40);
    const before = stub.count('ReceiveMessage');
    for (let at = 0; at < 360; at++) {
      await work.began(at + 1);
      work.begun[at]!.end();
      await new Promise(setImmediate);
    }
    await work.began(400);
    expect(stub.count('ReceiveMessage') - before).toBeLessThanOrEqual(40);
  });

  it('does not wait for slots that nobody frees', async () => {
    stub.put(...texts(10));
    const work = consume({ maxInHand: 10 });
    await work.began(10);
    work.begun[0]!.end();
    stub.put('late');
    await work.began(11);
    expect(work.begun[10]!.body).toBe('late');
  });

  it('asks several times at once while there is a backlog', async () => {
    let open = 0;
    let most = 0;
    stub.on('ReceiveMessage', async () => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, 20));
      open--;
      return 'usual';
    });
    stub.put(...texts(500));
    const work = consume({ maxInHand: 100 }, 'done');
    await work.began(500);
    expect(most).toBeGreaterThan(3);
  });

  it('gives a slot back when it is decided what becomes of a message, before its deletion is confirmed', async () => {
    stub.on('DeleteMessageBatch', () => 'never');
    stub.put(...texts(30));
    const work = consume({ maxInHand: 10 }, 'done');
    await work.began(30);
  });

  it('hands over one after the other what is worked on anew', async () => {
    stub.put(...texts(2));
    const work = consume({ maxInHand: 1 });
    await work.began(1);
    work.begun[0]!.end('again');
    await work.began(2);
    work.begun[1]!.end();
    await work.began(3);
    work.begun[2]!.end();
    await until(() => deleted().length === 2, 'both to be deleted');
    expect(work.most).toBe(1);
  });
});

describe('deletions', () => {
  it('share requests of ten', async () => {
    stub.put(...texts(100));
    const work = consume({ maxInHand: 100 }, 'done');
    await work.began(100);
    await until(() => deleted().length === 100, 'all to be deleted');
    expect(stub.count('DeleteMessageBatch')).toBeLessThanOrEqual(12);
  });

  it('that fail within a request are tried again alone', async () => {
    stub.on('DeleteMessageBatch', (call, nth) =>
      batchAnswer(call, ({ ReceiptHandle }) =>
        nth === 0 && ReceiptHandle.startsWith('m1/') ? { code: 'InternalError', sender: false } : undefined,
      ),
    );
    stub.put(...texts(3));
    consume({}, 'done');
    await until(() => stub.count('DeleteMessageBatch') === 2, 'the second request');
    expect(stub.of('DeleteMessageBatch')[1]!.input.Entries.map((entry: any) => entry.ReceiptHandle)).toEqual([
      'm1/2',
    ]);
    await consumer.stop();
    expect(warnings).toEqual([]);
  });

  it('are tried again as often as need be while they are throttled, and nobody waits for them', async () => {
    stub.on('DeleteMessageBatch', (_, nth) => (nth < 4 ? refuse('RequestThrottled') : 'usual'));
    stub.put(...texts(20));
    const work = consume({ maxInHand: 10 }, 'done');
    await work.began(20);
    await consumer.stop();
    expect(new Set(deleted())).toHaveProperty('size', 20);
    expect(connection.up).toBe(true);
  });

  it('that can never succeed are told, since the message comes again', async () => {
    stub.on('DeleteMessageBatch', (call) => batchAnswer(call, () => ({ code: 'ReceiptHandleIsInvalid' })));
    stub.put('m0');
    consume({}, 'done');
    await until(() => warnings.length > 0, 'the warning');
    expect(warnings[0]).toMatch(/is done and could not be deleted: it comes again/);
  });

  it('are of the newest receipt, when a message came again while it was in hand; it is handled once', async () => {
    stub.put('m0');
    const work = consume();
    await work.began(1);
    stub.putAgain('m0');
    stub.put('other');
    await work.began(2);
    expect(work.begun[1]!.body).toBe('other');
    work.begun[0]!.end();
    await until(() => deleted().length > 0, 'the deletion');
    expect(deleted()).toEqual(['m0/2']);
  });

  it('are repeated with the newest receipt, when a message came again while they were on their way', async () => {
    let answer!: () => void;
    stub.on('DeleteMessageBatch', async (_, nth) => {
      if (nth === 0) await new Promise<void>((resolve) => (answer = resolve));
      return 'usual';
    });
    stub.put('m0');
    const work = consume();
    await work.began(1);
    work.begun[0]!.end();
    await until(() => answer, 'the first deletion');
    stub.putAgain('m0');
    stub.put('other');
    await work.began(2);
    answer();
    await until(() => deleted().length === 2, 'the second deletion');
    expect(deleted()).toEqual(['m0/1', 'm0/2']);
  });

  it('that succeed do not keep SQS from delivering a message again: it is handled again', async () => {
    stub.put('m0');
    const work = consume({}, 'done');
    await until(() => deleted().length === 1, 'the deletion');
    await new Promise(setImmediate);
    stub.putAgain('m0');
    await work.began(2);
    expect(work.begun.map(({ body }) => body)).toEqual(['m0', 'm0']);
  });
});

describe('while its handler runs, a message', () => {
  it('is kept from others', async () => {
    stub.put('m0');
    const work = consume({ visibilityTimeout: 1_000 });
    await work.began(1);
    await until(() => stub.count('ChangeMessageVisibilityBatch') === 3, 'three times its visibility');
    expect(stub.of('ChangeMessageVisibilityBatch')[0]!.input.Entries[0].VisibilityTimeout).toBe(1);
    expect(work.begun[0]!.lost.aborted).toBe(false);
  });

  it.each(['ReceiptHandleIsInvalid', 'MessageNotInflight'])(
    'is lost at once when SQS says %s: another process may have it',
    async (code) => {
      stub.on('ChangeMessageVisibilityBatch', (call) => batchAnswer(call, () => ({ code })));
      stub.put('m0');
      const work = consume({ visibilityTimeout: 5_000 });
      await work.began(1);
      const began = Date.now();
      await until(() => work.begun[0]!.lost.aborted, 'the loss');
      expect(Date.now() - began).toBeLessThan(4_500);
      expect(warnings[0]).toMatch(/another process may have it/);
      // What another process may have is not made visible to a third one.
      work.begun[0]!.end({ visibleAfter: 0 });
      await consumer.stop();
      expect(shown()).toEqual([]);
    },
  );

  it('is not lost when prolonging fails and succeeds in time', async () => {
    stub.on('ChangeMessageVisibilityBatch', (_, nth) => (nth < 2 ? refuse('InternalError', 500) : 'usual'));
    stub.put('m0');
    const work = consume({ visibilityTimeout: 3_000 });
    await work.began(1);
    await until(() => stub.count('ChangeMessageVisibilityBatch') >= 6, 'it to be prolonged again');
    expect(work.begun[0]!.lost.aborted).toBe(false);
  });

  it('is lost when its time has run out before prolonging has succeeded; its deletion is tried nevertheless', async () => {
    stub.on('ChangeMessageVisibilityBatch', () => refuse('RequestThrottled'));
    stub.put('m0');
    const work = consume({ visibilityTimeout: 1_000 });
    await work.began(1);
    await until(() => work.begun[0]!.lost.aborted, 'the loss');
    work.begun[0]!.end();
    await until(() => deleted().length === 1, 'the deletion');
  });

  it('fails to be kept alone among others', async () => {
    stub.on('ChangeMessageVisibilityBatch', (call) =>
      batchAnswer(call, ({ ReceiptHandle }) =>
        ReceiptHandle.startsWith('m1/') ? { code: 'MessageNotInflight' } : undefined,
      ),
    );
    stub.put(...texts(3));
    const work = consume({ visibilityTimeout: 2_000 });
    await work.began(3);
    await until(() => stub.count('ChangeMessageVisibilityBatch') > 2, 'the others to be prolonged');
    expect(work.begun.map(({ lost }) => lost.aborted)).toEqual([false, true, false]);
  });
});

/** Time that passes as fast as it is waited for. */
function fastClock(): Clock {
  let now = 0;
  return {
    now: () => now,
    schedule(callback, ms) {
      const timer = setImmediate(() => {
        now += ms;
        callback();
      });
      return () => clearImmediate(timer);
    },
  };
}

describe('in twelve hours', () => {
  it('a message is prolonged to their end and not beyond, and then lost', async () => {
    const clock = fastClock();
    const ended = new AbortController();
    const message: Kept = {
      handle: 'r',
      since: 0,
      visibleAt: 3_600_000,
      gone: false,
      lost: new AbortController(),
    };
    let end = 0;
    await keep({
      kept: [message],
      visibilityTimeout: 3_600_000,
      clock,
      async prolong(_, seconds) {
        end = clock.now() + seconds * 1_000;
        expect(end).toBeLessThanOrEqual(12 * 3_600_000);
      },
      failed: () => undefined,
      onLost: () => ended.abort(),
      until: ended.signal,
    });
    expect(message.lost.signal.aborted).toBe(true);
    expect(clock.now()).toBeGreaterThan(11.9 * 3_600_000);
    expect(clock.now()).toBeGreaterThanOrEqual(end);
  });
});

describe('keeping', () => {
  it('holds nothing of messages that ended before they could be prolonged', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const kept = new Set<Kept>();
    const ended = new AbortController();
    const remember = (): WeakRef<Kept> => {
      const message = { handle: 'r', since: 0, visibleAt: 60_000, gone: false, lost: new AbortController() };
      kept.add(message);
      return new WeakRef<Kept>(message);
    };
    const messages = texts(10).map(remember);
    let failures = 0;
    const keeping = keep({
      kept,
      visibilityTimeout: 120_000,
      clock: fastClock(),
      prolong: () => Promise.reject(new Error('throttled')),
      failed: () => failures++,
      onLost: () => undefined,
      until: ended.signal,
    });
    try {
      await until(() => failures >= 10, 'each to fail');
      kept.clear();
      // The one that was looked at last may stay in the loop's own frame.
      await until(() => {
        collect();
        return messages.filter((message) => message.deref()).length <= 1;
      }, 'them to be forgotten');
    } finally {
      ended.abort();
      await keeping;
    }
  });
});

describe('stopping', () => {
  it('takes nothing more, and waits for what is in hand to be deleted', async () => {
    stub.put('m0');
    const work = consume();
    await work.began(1);
    let stopped = false;
    const stopping = consumer.stop().then(() => (stopped = true));
    expect(work.begun[0]!.leaving.aborted).toBe(true);
    await new Promise(setImmediate);
    expect(stopped).toBe(false);
    work.begun[0]!.end();
    await stopping;
    expect(deleted()).toEqual(['m0/1']);
  });

  it('wakes its poll, and deletes what woke it', async () => {
    consume();
    await until(() => stub.polls === 1, 'the poll');
    await consumer.stop();
    expect(stub.polls).toBe(0);
    expect(stub.count('SendMessage')).toBe(1);
    const entries = stub.of('DeleteMessageBatch').flatMap(({ input }) => input.Entries);
    expect(entries).toMatchObject([{ ReceiptHandle: expect.stringMatching(/^wake/) }]);
  });

  it('does not wait for a poll that is not to be woken, and makes visible at once what it brings', async () => {
    // Another process has received it.
    stub.on('SendMessage', () => ({}));
    const work = consume();
    await until(() => stub.polls === 1, 'the poll');
    const began = Date.now();
    await consumer.stop();
    expect(Date.now() - began).toBeLessThan(2_000);
    expect(stub.polls).toBe(1);
    stub.put('m0');
    await until(() => shown().length === 1, 'it to be visible');
    expect(work.begun).toEqual([]);
  });

  it('makes visible what has come and not begun', async () => {
    stub.put(...texts(3));
    const work = consume({ maxInHand: 3 });
    await work.began(3);
    for (const one of work.begun) one.end({ visibleAfter: 0 });
    await consumer.stop();
    expect(shown()).toHaveLength(3);
  });

  it('at the deadline makes visible at once what is not decided, and deletes what is', async () => {
    stub.put(...texts(12));
    const work = consume({ maxInHand: 20 });
    await work.began(12);
    work.begun[0]!.end();
    void consumer.stop();
    await new Promise(setImmediate);
    await consumer.abandon();
    expect(deleted()).toEqual(['m0/1']);
    expect(shown()).toHaveLength(11);
  });

  it('makes visible again what could not be made so at first', async () => {
    stub.on('ChangeMessageVisibilityBatch', (call, nth) =>
      batchAnswer(call, ({ ReceiptHandle }) =>
        nth === 0 && ReceiptHandle.startsWith('m1/') ? { code: 'InternalError', sender: false } : undefined,
      ),
    );
    stub.put(...texts(3));
    const work = consume();
    await work.began(3);
    await consumer.abandon();
    expect(shown().toSorted()).toEqual(['m0/1', 'm1/2', 'm1/2', 'm2/3']);
  });
});

describe('a problem', () => {
  it('is none while receiving is throttled', async () => {
    stub.on('ReceiveMessage', (_, nth) => (nth < 6 ? refuse('RequestThrottled') : 'usual'));
    stub.put('m0');
    const work = consume();
    const problems = new Set<string | undefined>();
    await until(() => {
      problems.add(consumer.problem);
      return work.begun.length === 1;
    }, 'the message');
    expect([...problems]).toEqual([undefined]);
    expect(connection.up).toBe(true);
  });

  it('is a queue that is gone, and is over soon when it is back', async () => {
    stub.on('ReceiveMessage', () => refuse('QueueDoesNotExist'));
    consume();
    await until(() => consumer.problem, 'the problem');
    expect(consumer.problem).toBe("queue 'tasks' does not exist any more");
    stub.on('ReceiveMessage', () => 'usual');
    await until(() => consumer.problem === undefined, 'its end', 5_000);
  });

  it('is a right that is missing, and says which', async () => {
    stub.on('ReceiveMessage', () => refuse('AccessDeniedException', 400));
    consume();
    await until(() => consumer.problem, 'the problem');
    expect(consumer.problem).toMatch(/sqs:ReceiveMessage for queue 'tasks'/);
    expect(connection.up).toBe(true);
  });

  it('shows nothing of a signature that was refused', async () => {
    stub.on('ReceiveMessage', () =>
      refuse('SignatureDoesNotMatch', 403, 'the canonical string was x-amz-security-token:t0ken'),
    );
    consume();
    await until(() => consumer.problem, 'the problem');
    expect(consumer.problem).toBe('the credentials are refused: SignatureDoesNotMatch');
  });
});
