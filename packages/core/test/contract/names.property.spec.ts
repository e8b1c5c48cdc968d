import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  checkHeaders,
  checkName,
  checkTopicOrPattern,
  ConfigurationError,
  destinationName,
  InvalidMessageError,
  isPattern,
  matches,
  subscriptionName,
  type SubscriptionId,
} from '../../src/contract/index.js';

fc.configureGlobal({ numRuns: 1_000 * Number(process.env['FC_RUNS'] ?? 1) });

/** Few letters, so that names are often equal, or equal but for a dot. */
const word = fc
  .string({ unit: fc.constantFrom('a', 'b', '_', '-'), minLength: 1, maxLength: 3 })
  .filter((text) => !text.includes('--'));
const topic = fc.array(word, { minLength: 1, maxLength: 5 }).map((words) => words.join('.'));
const pattern = fc
  .array(fc.oneof(word, fc.constantFrom('*', '#')), { minLength: 1, maxLength: 5 })
  .map((words) => words.join('.'));

/** As the documentation of RabbitMQ says it, word by word. */
function fallsUnder([first, ...rest]: readonly string[], words: readonly string[]): boolean {
  if (first === undefined) return words.length === 0;
  if (first === '#') return words.some((_, at) => fallsUnder(rest, words.slice(at))) || fallsUnder(rest, []);
  return words.length > 0 && (first === '*' || first === words[0]) && fallsUnder(rest, words.slice(1));
}

describe('any topic', () => {
  it('falls under those patterns that the definition says', () => {
    fc.assert(
      fc.property(pattern, topic, (some, name) => {
        expect(matches(some, name)).toBe(fallsUnder(some.split('.'), name.split('.')));
      }),
    );
  });

  it('falls under each pattern made of it, words blotted out', () => {
    const blotted = topic.chain((name) =>
      fc.record({
        name: fc.constant(name),
        some: fc
          .tuple(
            ...name.split('.').map((own) => fc.constantFrom([own], ['*'], ['#'], ['#', own], [own, '#'])),
          )
          .map((words) => words.flat().join('.')),
      }),
    );
    fc.assert(fc.property(blotted, ({ name, some }) => expect(matches(some, name)).toBe(true)));
  });

  it('that is a name is no pattern, and falls under itself alone', () => {
    fc.assert(
      fc.property(topic, topic, (one, other) => {
        expect(() => checkName('topic', one)).not.toThrow();
        expect(isPattern(one)).toBe(false);
        expect(matches(one, other)).toBe(one === other);
      }),
    );
  });
});

describe('any text', () => {
  it('is a name in exactly the documented cases, and otherwise refused with the module’s error', () => {
    const nearly = fc
      .array(fc.constantFrom('a', '-', '--', '.', '*'), { maxLength: 5 })
      .map((all) => all.join(''));
    const documented = (text: string): boolean =>
      !text.includes('--') &&
      text
        .split('.')
        .every((part) => part !== '' && part.split('').every((character) => /[a-z0-9_-]/i.test(character)));
    fc.assert(
      fc.property(fc.oneof(topic, pattern, nearly, fc.string(), fc.string({ unit: 'binary' })), (text) => {
        const accepted = (check: () => void): boolean => {
          try {
            check();
            return true;
          } catch (error) {
            expect(error).toBeInstanceOf(ConfigurationError);
            return false;
          }
        };
        expect(accepted(() => checkName('topic', text))).toBe(documented(text));
        expect(accepted(() => checkName('group', text))).toBe(documented(text) && !text.includes('.'));
        expect(accepted(() => checkTopicOrPattern(text))).toBe(
          documented(
            text
              .split('.')
              .map((part) => (part === '*' || part === '#' ? 'x' : part))
              .join('.'),
          ),
        );
      }),
    );
  });
});

describe('names on every broker', () => {
  const namespace = fc.option(word, { nil: undefined });
  const id: fc.Arbitrary<SubscriptionId> = fc.record({
    group: word,
    source: fc.record({ kind: fc.constant('topic' as const), name: pattern }),
  });

  it('of two subscriptions of a namespace are two, and so are those of two destinations', () => {
    fc.assert(
      fc.property(namespace, id, id, (own, one, other) => {
        const same = one.group === other.group && one.source.name === other.source.name;
        expect(subscriptionName(own, one) === subscriptionName(own, other)).toBe(same);
        expect(destinationName(own, one.source) === destinationName(own, other.source)).toBe(
          one.source.name === other.source.name,
        );
      }),
    );
  });

  it('leave room for what the module adds, or are refused', () => {
    const long = fc.integer({ min: 55, max: 65 }).map((length) => 'a'.repeat(length));
    fc.assert(
      fc.property(namespace, long, word, (own, name, group) => {
        const full = [own, group, name].filter((part) => part !== undefined).join('.');
        const make = () => subscriptionName(own, { group, source: { kind: 'topic', name } });
        if (full.length > 64) expect(make).toThrow(ConfigurationError);
        else expect(make()).toBe(full);
      }),
    );
  });
});

describe('any header', () => {
  /** What brokers, CloudEvents and the module take for theirs, in any case. */
  const RESERVED =
    /^(nm-.*|ce[-_].*|cloudevents[:_].*|b?cc|x-death|x-delay|x-(delivery|acquired)-count|x-(first|last)-death-.*|content-type|__proto__)$/i;
  const name = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom('ce_id', 'CE-id', 'cloudEvents:id', 'CC', 'x-Death', 'x-first-death-queue', '__proto__'),
    fc.constantFrom(
      'x-delay',
      'x-acquired-count',
      'constructor',
      'nm-id',
      'trace-id',
      'x-deaths',
      'toString',
    ),
  );
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.string(),
    fc.constantFrom('\ud83d', 'a\nb'),
  );

  it('is sent in exactly the documented cases, and otherwise refused without its value', () => {
    fc.assert(
      fc.property(name, fc.oneof(value, fc.anything()), (key, given) => {
        const sendable =
          key.split('').every((one) => one > ' ' && one < '\u007f' && !'"(),/:;<=>?@[\\]{}'.includes(one)) &&
          key !== '' &&
          !RESERVED.test(key) &&
          typeof given === 'string' &&
          // Half a surrogate pair has no bytes of its own: decoded, it would be another character.
          Buffer.from(given).toString() === given &&
          !/[\0\r\n]/.test(given);
        const check = (): void => checkHeaders(Object.fromEntries([[key, given]]) as never);
        if (sendable) expect(check).not.toThrow();
        else expect(check).toThrow(InvalidMessageError);
      }),
    );
  });
});
