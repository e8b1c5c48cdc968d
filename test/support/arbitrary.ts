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

export type ForeignHeader =
  | string
  | number
  | boolean
  | Uint8Array
  | readonly ForeignHeader[]
  | { readonly [name: string]: ForeignHeader };

/** A message from a producer that has never heard of the module. */
export interface ForeignMessage {
  readonly body: Uint8Array;
  readonly contentType?: string | undefined;
  readonly id?: string | undefined;
  readonly headers: readonly (readonly [name: string, value: ForeignHeader])[];
}

/** Headers that the module reads; one that lets a message expire is left out, since then it is nobody's. */
const KNOWN_HEADERS = [
  ...[
    'attempt',
    'attempts',
    'deaths',
    'id',
    'carried',
    'group',
    'queue',
    'error',
    'failed-at',
    'due',
    'd3',
  ].map((name) => `nm-${name}`),
  ...['id', 'time', 'source', 'type', 'partitionkey', 'specversion', 'correlationid'].flatMap((name) => [
    `cloudEvents:${name}`,
    `cloudEvents_${name}`,
    `ce_${name}`,
  ]),
  'ce',
  'content-encoding',
  'content-type',
  'x-death',
  'traceparent',
  '__proto__',
  'constructor',
];

const { header } = fc.letrec<{ header: ForeignHeader }>((tie) => ({
  header: fc.oneof(
    { depthSize: 'small' },
    text,
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    fc.boolean(),
    fc.uint8Array({ maxLength: 20 }),
    fc.constantFrom(
      '0',
      '-1',
      '1e9',
      'NaN',
      '{}',
      '[[',
      '{"id":1}',
      '{"__proto__":{"id":"x"}}',
      'base64',
      'gzip',
    ),
    fc.array(tie('header'), { maxLength: 3 }),
    fc.dictionary(fc.string({ minLength: 1, maxLength: 5 }), tie('header'), { maxKeys: 3 }),
  ),
}));

export const foreignMessage: fc.Arbitrary<ForeignMessage> = fc.record({
  body: fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.json().map((json) => Buffer.from(json)),
    text.map((body) => Buffer.from(body)),
  ),
  contentType: optional(
    fc.oneof(fc.constantFrom('application/json', 'text/plain', 'application/octet-stream', 'a/b; c=d'), text),
  ),
  id: optional(text),
  headers: fc.array(fc.tuple(fc.oneof(fc.constantFrom(...KNOWN_HEADERS), text), header), { maxLength: 6 }),
});
