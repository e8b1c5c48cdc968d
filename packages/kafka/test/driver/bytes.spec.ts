import { describe, expect, it } from '@jest/globals';
import { byteReader, byteWriter, LONGEST_VARINT } from '../../src/driver/bytes.js';

describe('A byte writer', () => {
  it.each([
    ['none', ''],
    ['short', 'ce_type'],
    ['as long as one byte counts', 'a'.repeat(63)],
    ['longer', 'a'.repeat(64)],
    ['not ASCII at its end', `${'a'.repeat(62)}é`],
    ['not ASCII at all', '価格'.repeat(20)],
  ])('writes text that is read as it was: %s', (_, text) => {
    const writer = byteWriter(1);
    writer.varintString('before');
    writer.varintString(text);
    writer.varintString('after');
    const reader = byteReader(writer.bytes());
    const texts = [0, 1, 2].map(() => reader.varintBytes()?.toString());
    expect(texts).toEqual(['before', text, 'after']);
    expect(reader.position).toBe(reader.length);
  });

  it.each([0, 1, 63, 64, 8_191, 8_192])(
    'puts the length of %d bytes in front, however many there might have been',
    (size) => {
      const content = Buffer.alloc(size, 7);
      for (const most of [size, size * 3, size + 100_000]) {
        const [measured, known] = [byteWriter(1), byteWriter()];
        measured.measured(most, () => measured.raw(content));
        known.varintBytes(content);
        expect(measured.bytes()).toEqual(known.bytes());
      }
    },
  );

  it('grows for none that is as large as was said', () => {
    const most = 100_000;
    const writer = byteWriter(LONGEST_VARINT + most);
    writer.measured(most, () => writer.raw(Buffer.alloc(most)));
    expect(writer.bytes().buffer.byteLength).toBe(LONGEST_VARINT + most);
  });
});
