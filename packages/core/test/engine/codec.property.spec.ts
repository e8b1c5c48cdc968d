import { isUtf8 } from 'node:buffer';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { InvalidMessageError, UndecodableError } from '../../src/contract/index.js';
import { jsonCodec } from '../../src/engine/codec.js';

fc.configureGlobal({ numRuns: 500 * Number(process.env['FC_RUNS'] ?? 1) });

const decode = (body: Uint8Array): unknown => jsonCodec.decode(body, 'application/json');

/** The payload, or the module's own error, which says nothing of the body. */
function decoded(body: Uint8Array): unknown {
  try {
    return decode(body);
  } catch (error) {
    expect(error).toBeInstanceOf(UndecodableError);
    expect((error as Error).message).toMatch(
      /^the body \(\d+ bytes\) is not (UTF-8|JSON, or has a key that pollutes prototypes)$/,
    );
    return undefined;
  }
}

/** Keys that merge into prototypes, and their harmless neighbours. */
const key = fc.oneof(
  fc.string({ maxLength: 3 }),
  fc.constantFrom('__proto__', 'constructor', 'prototype', '__proto', 'a"__proto__":'),
);
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'json' },
    fc.jsonValue({ maxDepth: 1 }),
    fc.array(tie('json'), { maxLength: 3, depthIdentifier: 'json' }),
    // `fromEntries` makes own properties of all keys, as a parser does.
    fc
      .array(fc.tuple(key, tie('json')), { maxLength: 3, depthIdentifier: 'json' })
      .map((entries) => Object.fromEntries(entries)),
  ),
}));

/** Walks all there is. */
function pollutes(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(
    ([name, inner]) =>
      name === '__proto__' ||
      (name === 'constructor' &&
        typeof inner === 'object' &&
        inner !== null &&
        Object.hasOwn(inner, 'prototype')) ||
      pollutes(inner),
  );
}

/** With each character of a text written as an escape or as itself. */
const escaped = (text: string, escapes: readonly boolean[]): string =>
  text.replace(/[a-z_]/g, (character, at: number) =>
    escapes[at % escapes.length] ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : character,
  );

describe('JSON of anybody', () => {
  it('that is any bytes is a payload or refused', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
      // A payload with one byte changed.
      fc.tuple(fc.json(), fc.nat(), fc.nat(255)).map(([text, at, byte]) => {
        const body = Buffer.from(text);
        body[at % body.length] = byte;
        return body;
      }),
    );
    fc.assert(
      fc.property(bytes, (body) => {
        const payload = decoded(body);
        if (!isUtf8(body)) expect(payload).toBeUndefined();
      }),
    );
  });

  it('arrives as it was given, and in exactly the documented cases is refused on both ends', () => {
    fc.assert(
      fc.property(json, (payload) => {
        const body = Buffer.from(JSON.stringify(payload));
        if (pollutes(payload)) {
          expect(() => jsonCodec.encode(payload)).toThrow(InvalidMessageError);
          expect(() => decode(body)).toThrow(UndecodableError);
        } else {
          expect(jsonCodec.encode(payload)).toEqual(body);
          expect(decode(body)).toEqual(JSON.parse(body.toString()));
        }
        expect(Object.keys(Object.prototype)).toEqual([]);
      }),
    );
  });

  it('is refused for its keys however they are written', () => {
    const escapes = fc.array(fc.boolean(), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(escapes, fc.constantFrom('', ' ', '\n\t'), (written, blank) => {
        for (const path of [['__proto__'], ['constructor', 'prototype']]) {
          const text = path.reduceRight(
            (inner, name) => `{"${escaped(name, written)}"${blank}:${inner}}`,
            '{}',
          );
          expect(() => decode(Buffer.from(`[${text}]`))).toThrow(UndecodableError);
        }
      }),
    );
  });

  it('is written, or refused with the module’s error, whatever the payload is', () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
    });
    fc.assert(
      fc.property(fc.oneof(anything, fc.func(fc.nat())), (payload) => {
        let body: Uint8Array;
        try {
          body = jsonCodec.encode(payload);
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidMessageError);
          return;
        }
        decode(body);
      }),
    );
  });

  it.each(['[', '{"a":', '{"__proto__":', '[{"constructor":'])(
    'may be nested a hundred thousand times without harm: %s',
    (open) => {
      const close = open
        .split('')
        .reverse()
        .map((one) => ({ '[': ']', '{': '}' })[one] ?? '')
        .join('');
      const times = 100_000;
      decoded(Buffer.from(open.repeat(times)));
      decoded(Buffer.from(open.repeat(times) + '0' + close.repeat(times)));
      let payload: unknown = 0;
      for (let depth = 0; depth < times; depth++) payload = [payload];
      expect(() => jsonCodec.encode(payload)).toThrow(InvalidMessageError);
    },
  );
});
