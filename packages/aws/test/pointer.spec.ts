import { describe, expect, it } from '@jest/globals';
import { pointerOf, pointing } from '../src/pointer.js';
import type { Parcel } from '../src/wire.js';

const number = (StringValue: string) => ({ DataType: 'Number', StringValue });

/** As version 2 of the library for Java writes it. */
const BODY = '["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"bucket","s3Key":"key"}]';
const LEGACY = '["com.amazon.sqs.javamessaging.MessageS3Pointer",{"s3BucketName":"bucket","s3Key":"key"}]';

describe('a pointer', () => {
  it("is written as Amazon's extended client libraries write it", () => {
    const trace = { DataType: 'String', StringValue: 'abc' };
    const parcel: Parcel = { body: 'a large one', attributes: { trace } };
    expect(pointing(parcel, { bucket: 'bucket', key: 'key' }, 300_000)).toEqual({
      body: BODY,
      attributes: { trace, ExtendedPayloadSize: number('300000') },
    });
  });

  it.each([
    ['of today', BODY, { ExtendedPayloadSize: number('5') }],
    ['of the first versions', LEGACY, { SQSLargePayloadSize: number('5') }],
    ['of today under the old attribute', BODY, { SQSLargePayloadSize: number('5') }],
  ])('%s is read', (_, body, attributes) => {
    expect(pointerOf({ body, attributes })).toEqual({ bucket: 'bucket', key: 'key' });
  });

  it.each([
    ['has no attribute that says so', BODY, {}],
    [
      'is of another class',
      '["Other",{"s3BucketName":"b","s3Key":"k"}]',
      { ExtendedPayloadSize: number('5') },
    ],
    ['names no object', BODY.replace('"key"', '7'), { ExtendedPayloadSize: number('5') }],
    ['is no JSON', 'text', { ExtendedPayloadSize: number('5') }],
    ['is other JSON', 'null', { ExtendedPayloadSize: number('5') }],
    [
      'is a list of one',
      '["software.amazon.payloadoffloading.PayloadS3Pointer"]',
      { ExtendedPayloadSize: number('5') },
    ],
  ])('is none if it %s', (_, body, attributes) => {
    expect(pointerOf({ body, attributes })).toBeUndefined();
  });
});
