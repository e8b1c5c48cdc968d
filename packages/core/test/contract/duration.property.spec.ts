import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ConfigurationError, isDuration, milliseconds, type Duration } from '../../src/contract/index.js';

fc.configureGlobal({ numRuns: 500 * Number(process.env['FC_RUNS'] ?? 1) });

const UNITS = { ms: 1n, s: 1_000n, m: 60_000n, h: 3_600_000n, d: 86_400_000n } as const;
type Unit = keyof typeof UNITS;

const digits = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...'0123456789'.split('')), minLength: 1, maxLength, size: 'max' });

/** An amount and its unit; a few amounts are so long that no number holds them. */
const amount = fc.record({
  whole: fc.oneof({ weight: 9, arbitrary: digits(12) }, { weight: 1, arbitrary: digits(400) }),
  fraction: fc.option(digits(6), { nil: undefined }),
  unit: fc.constantFrom(...(Object.keys(UNITS) as Unit[])),
});
type Amount = typeof amount extends fc.Arbitrary<infer T> ? T : never;

const textOf = ({ whole, fraction, unit }: Amount): string =>
  `${whole}${fraction === undefined ? '' : `.${fraction}`}${unit}`;

/** In whole numbers of any size, as on paper. */
function onPaper({ whole, fraction = '', unit }: Amount): number {
  const parts = BigInt(whole + fraction) * UNITS[unit];
  const ofOne = 10n ** BigInt(fraction.length);
  return Number(parts / ofOne) + Number(parts % ofOne) / Number(ofOne);
}

/** Reads character by character what the grammar says: digits, perhaps a point and digits, a unit. */
function isText(text: string): boolean {
  const isDigit = (character: string | undefined): boolean =>
    character !== undefined && '0123456789'.includes(character);
  let at = 0;
  while (isDigit(text[at])) at++;
  if (at === 0) return false;
  if (text[at] === '.') {
    const point = at++;
    while (isDigit(text[at])) at++;
    if (at === point + 1) return false;
  }
  return text.slice(at) in UNITS;
}

describe('any duration', () => {
  it('in words is as many milliseconds as on paper, and refused if no number holds them', () => {
    fc.assert(
      fc.property(amount, (given) => {
        const text = textOf(given) as Duration;
        const expected = onPaper(given);
        expect(isDuration(text)).toBe(Number.isFinite(expected));
        if (!Number.isFinite(expected)) expect(() => milliseconds(text)).toThrow(ConfigurationError);
        else expect(Math.abs(milliseconds(text) - expected)).toBeLessThanOrEqual(expected * 1e-12);
      }),
    );
  });

  it('is refused as soon as a character of its text is too much, missing or another', () => {
    const nearly = fc
      .tuple(amount, fc.nat(12), fc.nat(2), fc.string({ maxLength: 2 }))
      .map(([given, at, gone, put]) => {
        const text = textOf(given);
        return text.slice(0, at) + put + text.slice(at + gone);
      });
    fc.assert(
      fc.property(fc.oneof(nearly, fc.string(), fc.string({ unit: 'binary' })), (text) => {
        fc.pre(!isText(text));
        expect(isDuration(text)).toBe(false);
        expect(() => milliseconds(text as Duration)).toThrow(ConfigurationError);
      }),
    );
  });

  it('is finite and not negative, whatever the value was, or refused with the module’s error', () => {
    const anything = fc.oneof(fc.anything({ withBigInt: true, withNullPrototype: true }), fc.double());
    fc.assert(
      fc.property(anything, (value) => {
        if (!isDuration(value)) return expect(() => milliseconds(value as never)).toThrow(ConfigurationError);
        const ms = milliseconds(value);
        expect(Number.isFinite(ms) && ms >= 0).toBe(true);
      }),
    );
  });
});
