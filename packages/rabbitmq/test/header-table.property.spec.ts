import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { createHeaderTable } from '../src/header-table.js';

const { encodeTable } = createRequire(import.meta.url)('../../../node_modules/amqplib/lib/codec.js') as {
  encodeTable(buffer: Buffer, table: object, offset: number): number;
};

/** What amqplib writes of the headers it is given: those of an object that it makes of them. */
function written(headers: object): Buffer {
  const buffer = Buffer.alloc(65_536);
  return buffer.subarray(0, encodeTable(buffer, Object.create(headers) as object, 0));
}

const name = fc.oneof(
  fc.constantFrom('a', 'b', 'a\nb', 'cloudEvents:id', 'constructor', '__proto__', '1', '01', ''),
  fc.string({ maxLength: 20 }),
);
const value = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.integer(),
  fc.boolean(),
  fc.constant(undefined),
  fc.dictionary(fc.constantFrom('x', 'y'), fc.string({ maxLength: 5 })),
);
const headers = fc.array(fc.tuple(name, value), { maxLength: 6 }).map(Object.fromEntries);

describe('The table that amqplib gets', () => {
  it('is written as the headers are, whatever messages went before', () => {
    fc.assert(
      fc.property(fc.array(headers, { maxLength: 20 }), (all) => {
        const table = createHeaderTable();
        for (const each of all) expect(written(table(each))).toEqual(written(each));
      }),
    );
  });

  it('is one for all messages whose headers have the same names', () => {
    const table = createHeaderTable();
    const first = table({ a: '1', b: '2' });
    expect(table({ a: '3' })).not.toBe(first);
    expect(table({ a: '3', b: '4' })).toBe(first);
  });

  it('is forgotten where names go on and on', () => {
    const table = createHeaderTable();
    const first = table({ a: '1' });
    for (let i = 0; i <= 10_000; i += 1) table({ [`name ${i}`]: '' });
    expect(table({ a: '1' })).not.toBe(first);
  });
});
