import { describe, expect, it } from '@jest/globals';
import { MessageTooLargeError } from '@nest-messaging/core/contract';
import type { NewRecord } from '../../src/driver/driver.js';
import { BESIDE_BODY, checkSize } from '../../src/producer/size.js';

const LIMIT = 1_000;

const record = (body: number, more: Partial<NewRecord> = {}): NewRecord => ({
  topic: 't',
  key: null,
  value: Buffer.alloc(body),
  headers: [],
  ...more,
});

describe('A record', () => {
  it('may have a body of the limit, with key and headers beside it', () => {
    const key = Buffer.alloc(1_000);
    const headers = [['é', Buffer.alloc(BESIDE_BODY - 1_003)] as const, ['n', null] as const];
    expect(() => checkSize(record(LIMIT, { key, headers }), LIMIT)).not.toThrow();
    expect(() => checkSize(record(LIMIT, { key, headers: [...headers, ['m', null]] }), LIMIT)).toThrow(
      MessageTooLargeError,
    );
  });

  it('may have more of these where the body is smaller', () => {
    const headers = [['h', Buffer.alloc(BESIDE_BODY + 998)] as const];
    expect(() => checkSize(record(1, { headers }), LIMIT)).not.toThrow();
    expect(() => checkSize(record(2, { headers }), LIMIT)).toThrow(
      /^key and headers have 48999 bytes, and the body 2: at most 49000 are sent together \(kafka.maxBodySize and 48000\)/,
    );
  });

  it('of a body beyond the limit is refused for that', () => {
    expect(() => checkSize(record(LIMIT + 1), LIMIT)).toThrow(
      /^the body has 1001 bytes: at most 1000 are sent \(kafka.maxBodySize\)/,
    );
  });
});
