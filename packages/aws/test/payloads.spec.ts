import { describe, expect, it } from '@jest/globals';
import { systemClock } from '@nest-messaging/core/contract';
import { aws, type LargePayloads } from '../src/index.js';
import { resolveOptions } from '../src/options.js';
import { createPayloads } from '../src/payloads.js';

describe('the options of large payloads', () => {
  it('have defaults', () => {
    const { largePayloads, maxBodySize } = resolveOptions({
      region: 'eu-west-1',
      client: { maxAttempts: 7 },
      largePayloads: { bucket: 'bucket', client: { forcePathStyle: true } },
    });
    expect(maxBodySize).toBe(16 * 1024 * 1024);
    expect(largePayloads).toEqual({
      bucket: 'bucket',
      above: 262_144,
      prefix: '',
      client: { region: 'eu-west-1', maxAttempts: 7, forcePathStyle: true },
    });
    expect(resolveOptions({})).toMatchObject({ largePayloads: undefined, maxBodySize: 180_000 });
  });

  it.each([
    [{}, /aws\.largePayloads\.bucket/],
    [{ bucket: 'B' }, /aws\.largePayloads\.bucket is 'B': expected the name of a bucket/],
    [
      { bucket: 'bucket', above: 300_000 },
      /above is 300000: expected at most 262144, which is what SNS takes/,
    ],
    [{ bucket: 'bucket', above: -1 }, /above is -1: expected at least 0/],
    [{ bucket: 'bucket', prefix: 'ä' }, /prefix is 'ä': expected letters, digits/],
    [
      { bucket: 'bucket', treshold: 1 },
      /unknown option aws\.largePayloads\.treshold: valid are bucket, above, prefix, client/,
    ],
  ])('%j are refused', (largePayloads, message) => {
    expect(() => aws({ largePayloads: largePayloads as LargePayloads })).toThrow(message);
  });
});

describe('the package of S3', () => {
  const { largePayloads } = resolveOptions({ largePayloads: { bucket: 'bucket' } });
  const parts = { maxBodySize: 1, topology: 'none', clock: systemClock } as const;
  const { signal } = new AbortController();

  it('is named where it is missing', async () => {
    const load = (): Promise<never> => Promise.reject(new Error('not found'));
    const payloads = createPayloads({ ...parts, options: largePayloads, load });
    await expect(payloads.open(signal)).rejects.toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringContaining('npm install @aws-sdk/client-s3'),
    });
  });

  it('is not loaded by those who keep nothing there', async () => {
    let loaded = 0;
    const load = (): Promise<never> => Promise.reject(new Error(`loaded ${++loaded} times`));
    const payloads = createPayloads({ ...parts, options: undefined, load });
    await payloads.open(signal);
    const parcel = { body: 'x'.repeat(300_000), attributes: {} };
    expect(await payloads.store(parcel, 'text/plain', signal)).toBe(parcel);
    const raw = { Body: 'x', MessageAttributes: {} };
    expect(await payloads.load(raw, signal)).toBe(raw);
    payloads.close();
    expect(loaded).toBe(0);
  });
});
