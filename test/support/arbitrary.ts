import { checkHeaders } from '@nest-messaging/core/contract';
import fc from 'fast-check';

/** What the tests of every wire choose from. */

export const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
);
export const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
/** Milliseconds since 1970. */
export const date = fc.nat(2 ** 43);

/** Whether a check of the module lets something pass. */
export function passes(check: () => void): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

/** Of headers, those that the module lets an application send. */
export const sendable = (all: readonly (readonly [string, string])[]): Record<string, string> =>
  Object.fromEntries(all.filter((one) => passes(() => checkHeaders(Object.fromEntries([one])))));
