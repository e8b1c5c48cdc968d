import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Message } from '../src/contract/index.js';
import { copyOf } from '../src/memory/message-copies.js';

fc.configureGlobal({ numRuns: 300 * Number(process.env['FC_RUNS'] ?? 1) });

const text = fc.string({ unit: 'binary' });
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const message: fc.Arbitrary<Message> = fc.record({
  id: text,
  destination: fc.record({ kind: fc.constantFrom('topic', 'queue'), name: text }),
  body: fc.uint8Array({ maxLength: 4_096 }),
  contentType: text,
  headers: fc.dictionary(fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'ce_id')), text),
  key: optional(text),
  source: optional(text),
  publishedAt: optional(fc.nat()),
  dueAt: optional(fc.nat()),
  correlationId: optional(text),
  causationId: optional(text),
  expiresAt: optional(fc.nat()),
  version: optional(text),
});

const plain = ({ body, headers, ...rest }: Message) => ({
  ...rest,
  body: Buffer.from(body).toString('hex'),
  headers: Object.entries(headers),
});

describe('any message in memory', () => {
  it('is the one that was published, at each hand-over, whatever is done to those before', () => {
    fc.assert(
      fc.property(message, (published) => {
        const before = plain(published);
        const stored = copyOf(published);
        published.body.fill(7);
        (published.headers as Record<string, string>)['late'] = 'x';
        const first = copyOf(stored);
        expect(plain(first)).toEqual(before);
        first.body.fill(8);
        Object.assign(first.headers, { 'of-handler': 'x' });
        Object.assign(first.destination, { name: 'of-handler' });
        expect(plain(copyOf(stored))).toEqual(before);
      }),
    );
  });
});
