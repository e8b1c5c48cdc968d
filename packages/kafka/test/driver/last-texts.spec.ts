import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { createLastTexts } from '../../src/driver/last-texts.js';

describe('Text that is mostly as before', () => {
  it('is what a new string of its bytes is, whatever was read at its place before', () => {
    const bytes = fc.oneof(
      fc.constantFrom('ce_id', 'ce_ie', 'é', '\u0000', '', 'x'.repeat(200)).map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 6 }).map((some) => Buffer.from(some)),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 70 }), bytes), { maxLength: 40 }), (all) => {
        const read = createLastTexts();
        for (const [at, some] of [...all, ...all]) {
          const within = Buffer.concat([Buffer.from('<'), some, Buffer.from('>')]);
          expect(read(at, within, 1, 1 + some.length)).toBe(some.toString());
        }
      }),
    );
  });
});
