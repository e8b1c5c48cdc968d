import { describe, expect, it } from '@jest/globals';
import {
  checkHeaders,
  checkName,
  checkTopicOrPattern,
  ConfigurationError,
  defineEvent,
  destinationName,
  InvalidMessageError,
  isDuration,
  matches,
  milliseconds,
  subscriptionName,
} from '../../src/contract/index.js';

describe('a pattern', () => {
  it.each([
    ['order.placed', 'order.placed', true],
    ['order.placed', 'order.paid', false],
    ['order.*', 'order.placed', true],
    ['order.*', 'order', false],
    ['order.*', 'order.item.added', false],
    ['*.placed', 'order.placed', true],
    ['order.#', 'order', true],
    ['order.#', 'order.item.added', true],
    ['#', 'anything.at.all', true],
    ['#.added', 'added', true],
    ['#.added', 'order.item.added', true],
    ['#.added', 'order.added.item', false],
    ['a.#.z', 'a.z', true],
    ['a.#.z', 'a.b.c.z', true],
    ['a.#.*.z', 'a.z', false],
    ['a.#.*.z', 'a.b.z', true],
    ['#.#', 'a', true],
    ['*.#', 'a', true],
  ])('%s and topic %s: %s', (pattern, topic, expected) => {
    expect(matches(pattern, topic)).toBe(expected);
  });

  it('takes no time that grows out of hand with its wildcards', () => {
    const began = performance.now();
    expect(matches(Array(40).fill('#').join('.') + '.x', Array(40).fill('a').join('.'))).toBe(false);
    expect(performance.now() - began).toBeLessThan(200);
  });
});

describe('names on the broker', () => {
  it('are built of namespace, group and topic', () => {
    const source = { kind: 'topic', name: 'order.placed' } as const;
    expect(subscriptionName('prod', { source, group: 'billing' })).toBe('prod.billing.order.placed');
    expect(subscriptionName(undefined, { source, group: 'billing' })).toBe('billing.order.placed');
    expect(destinationName('prod', { kind: 'queue', name: 'parcels' })).toBe('prod.parcels');
  });

  it('of a queue are the same for sender and worker, whatever the group', () => {
    const source = { kind: 'queue', name: 'parcels' } as const;
    expect(subscriptionName('prod', { source, group: 'any' })).toBe(destinationName('prod', source));
  });

  it('are refused on every broker where they would be too long for one', () => {
    const source = { kind: 'topic', name: 'a'.repeat(60) } as const;
    expect(() => subscriptionName(undefined, { source, group: 'bill' })).toThrow(
      /has 65 characters: at most 64/,
    );
    expect(() => subscriptionName(undefined, { source, group: 'bil' })).not.toThrow();
  });

  it.each(['a b', 'ä', 'a/b', '.a', 'a.', 'a:b', 'a\0b', 'a--b', '*', ' '])('may not be %j', (name) => {
    expect(() => checkName('topic', name)).toThrow(ConfigurationError);
  });

  it.each(['service', 'namespace', 'group'] as const)('of a %s is a single word', (what) => {
    expect(() => checkName(what, 'a.b')).toThrow(/holds a dot/);
    expect(() => checkName(what, 'a-b_1')).not.toThrow();
  });

  it('may hold wildcards, as whole words, where a handler names them', () => {
    expect(() => checkTopicOrPattern('order.*.#')).not.toThrow();
    expect(() => checkTopicOrPattern('order.a*')).toThrow(ConfigurationError);
  });
});

describe('a duration', () => {
  it.each([
    [250, 250],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
  ] as const)('%s is %d ms', (duration, expected) => {
    expect(milliseconds(duration)).toBe(expected);
  });

  it.each<unknown>([
    '',
    '5',
    's',
    '5 s',
    '-1s',
    '1w',
    `${'9'.repeat(400)}d`,
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    5n,
    null,
    undefined,
    {},
  ])('%p is none', (value) => {
    expect(isDuration(value)).toBe(false);
    expect(() => milliseconds(value as never)).toThrow(ConfigurationError);
  });
});

describe('a header', () => {
  it.each([
    'a b',
    '',
    'a\r',
    'ä',
    'nm-attempt',
    'ce_id',
    'CloudEvents:id',
    'CC',
    'x-death',
    'X-First-Death-Queue',
    'x-acquired-count',
  ])('may not be named %j', (name) => {
    expect(() => checkHeaders({ [name]: 'x' })).toThrow(InvalidMessageError);
  });

  it('is not quoted in the error', () => {
    expect(() => checkHeaders({ token: 'secret\n' })).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('secret') }),
    );
  });
});

describe('defineEvent', () => {
  it('refuses order without a key, unknown options and impossible topics', () => {
    expect(() => defineEvent('a', { ordered: true })).toThrow(/is ordered and has no key/);
    expect(() => defineEvent('a', { sorted: true } as never)).toThrow(
      "unknown option sorted of event 'a': valid are schema, key, ordered, version",
    );
    expect(() => defineEvent('a.*')).toThrow(ConfigurationError);
  });
});
