import { describe, expect, it } from '@jest/globals';
import { InvalidMessageError, UndecodableError } from '../../src/contract/index.js';
import { jsonCodec } from '../../src/engine/codec.js';
import { deferred } from '../../src/engine/deferred.js';
import { failureOf } from '../../src/engine/failure.js';
import { createLanes } from '../../src/engine/lanes.js';
import { createRoom } from '../../src/engine/room.js';
import { delayAfter, longestWait, retryPolicy } from '../../src/engine/retry-policy.js';

describe('a retry policy', () => {
  const policy = retryPolicy({ attempts: 5, backoff: { initial: '1s', factor: 3, max: '10s', jitter: 0 } });

  it('waits longer after each failure, up to its ceiling', () => {
    expect([1, 2, 3, 4].map((failures) => delayAfter(policy, failures))).toEqual([
      1_000, 3_000, 9_000, 10_000,
    ]);
  });

  it('varies by its jitter, never beyond the ceiling', () => {
    const varied = retryPolicy(policy, { backoff: { initial: '1s', max: '10s', jitter: 0.1 } });
    expect(delayAfter(varied, 1, () => 0)).toBe(900);
    expect(delayAfter(varied, 1, () => 1)).toBe(1_100);
    expect(delayAfter(varied, 10, () => 1)).toBe(10_000);
  });

  it('tells how long all its delays can be together', () => {
    expect(longestWait(policy)).toBe(23_000);
  });

  it('is laid together key by key, the later options first', () => {
    expect(
      retryPolicy({ attempts: 3, backoff: { initial: '2s' } }, undefined, { backoff: { max: '1h' } }),
    ).toMatchObject({
      attempts: 3,
      initial: 2_000,
      max: 3_600_000,
      factor: 2,
    });
  });
});

describe('the JSON codec', () => {
  const bytes = (text: string): Uint8Array => Buffer.from(text);

  it.each([{ a: 1 }, [], null, 0, '', 'ü€😀', false])('gives back %j', (payload) => {
    expect(jsonCodec.decode(jsonCodec.encode(payload), '')).toEqual(payload);
  });

  it('reads JSON that begins with a byte-order mark', () => {
    expect(jsonCodec.decode(bytes('\uFEFF{"a":1}'), '')).toEqual({ a: 1 });
  });

  it.each([
    ['nothing', bytes('')],
    ['text that is cut', bytes('{"a":')],
    ['no JSON', bytes('secret')],
    ['cut UTF-8', Buffer.from('"ü"').subarray(0, 2)],
    ['binary', Buffer.from([0xff, 0xfe, 0x00])],
    ['a key that pollutes prototypes', bytes('{"__proto__":{"polluted":true}}')],
    ['a constructor that pollutes prototypes', bytes('{"constructor":{"prototype":{"polluted":true}}}')],
  ])('refuses %s, and quotes nothing of it', (_, body) => {
    expect(() => jsonCodec.decode(body, '')).toThrow(UndecodableError);
    expect(() => jsonCodec.decode(body, '')).toThrow(
      expect.not.objectContaining({ message: expect.stringMatching(/secret|polluted/) }),
    );
  });

  it.each([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a BigInt', 1n],
  ])('cannot write %s', (_, payload) => {
    expect(() => jsonCodec.encode(payload)).toThrow(InvalidMessageError);
  });
});

describe('a failure', () => {
  it.each([
    [new TypeError('bad'), { name: 'TypeError', message: 'bad' }],
    [Object.assign(new Error('x'), { code: 'E_X' }), { name: 'Error', message: 'x', code: 'E_X' }],
    ['text', { name: 'NonError', message: 'text' }],
    [undefined, { name: 'NonError', message: 'the handler threw undefined' }],
    [Object.freeze({}), { name: 'NonError', message: 'the handler threw object' }],
    [new Error('two\r\nlines\0'), { name: 'Error', message: 'two lines' }],
    [new Error('x'.repeat(600)), { name: 'Error', message: `${'x'.repeat(499)}…` }],
  ])('of %p is plain text that fits a header', (error, expected) => {
    expect(failureOf(error, 5)).toEqual({ ...expected, at: 5 });
  });

  it('is one even where the error cannot be read', () => {
    const unreadable = Object.defineProperty(new Error(), 'message', {
      get: () => {
        throw new Error('no');
      },
    });
    expect(failureOf(unreadable, 5).message).toBe('the handler threw what cannot be read');
  });
});

describe('lanes', () => {
  it('run what shares a key one after the other, and all else at once', async () => {
    const { enter } = createLanes();
    const order: string[] = [];
    const first = deferred();
    const runs = [
      enter('a', async () => {
        await first.promise;
        order.push('a1');
        throw new Error('the next one runs all the same');
      }),
      enter('a', async () => void order.push('a2')),
      enter('b', async () => void order.push('b1')),
      enter(undefined, async () => void order.push('none')),
    ];
    await Promise.all(runs.slice(2));
    first.resolve();
    await Promise.allSettled(runs);
    expect(order).toEqual(['none', 'b1', 'a1', 'a2'].toSorted((x, y) => order.indexOf(x) - order.indexOf(y)));
    expect(order.indexOf('a1')).toBeLessThan(order.indexOf('a2'));
    expect(order.indexOf('b1')).toBeLessThan(order.indexOf('a1'));
  });
});

describe('room for what waits to be published', () => {
  const never = new AbortController().signal;

  it('is given to the first who came, by count and by bytes', async () => {
    const room = createRoom({ messages: 2, bytes: 10 });
    const leaveFirst = await room.take(6, never);
    const admitted: string[] = [];
    const second = room.take(6, never).then((leave) => (admitted.push('second'), leave));
    const third = room.take(1, never).then((leave) => (admitted.push('third'), leave));
    await Promise.resolve();
    expect(admitted).toEqual([]);
    leaveFirst();
    (await second)();
    (await third)();
    expect(admitted).toEqual(['second', 'third']);
    expect(room.taken).toBe(0);
  });

  it('is given to one message larger than all of it, alone', async () => {
    const room = createRoom({ messages: 2, bytes: 10 });
    (await room.take(100, never))();
    expect(room.taken).toBe(0);
  });

  it('is there for those that wait as soon as there may be more, and stays taken when there may be fewer', async () => {
    const room = createRoom({ messages: 1, bytes: 0 });
    const leaveFirst = await room.take(0, never);
    const second = room.take(0, never);
    const third = room.take(0, never);
    room.resize(3);
    const leaves = [leaveFirst, await second, await third];
    expect(room.taken).toBe(3);
    room.resize(1);
    expect(room.enter(0)).toBeUndefined();
    leaves[0]!();
    leaves[1]!();
    expect(room.enter(0)).toBeUndefined();
    leaves[2]!();
    expect(room.enter(0)).toBeDefined();
  });

  it('is not waited for once the signal aborts', async () => {
    const room = createRoom({ messages: 1, bytes: 10 });
    const leave = await room.take(1, never);
    const impatient = new AbortController();
    const waiting = room.take(1, impatient.signal);
    impatient.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    leave();
    (await room.take(1, never))();
  });
});
