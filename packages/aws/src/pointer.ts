import type { Parcel } from './wire.js';

/** Where in S3 a message's body is. */
export interface Pointer {
  readonly bucket: string;
  readonly key: string;
}

/**
 * The format of Amazon's extended client libraries for SQS and SNS: the body names a class of theirs and the object, and
 * an attribute, without which they do not read it, says how large the body is.
 * @see https://github.com/awslabs/amazon-sqs-java-extended-client-lib
 * @see https://github.com/awslabs/payload-offloading-java-common-lib-for-aws
 */
const CLASS = 'software.amazon.payloadoffloading.PayloadS3Pointer';
const SIZE = 'ExtendedPayloadSize';
/** As their first versions wrote it, and later ones do where they are told to. */
const LEGACY_CLASS = 'com.amazon.sqs.javamessaging.MessageS3Pointer';
const LEGACY_SIZE = 'SQSLargePayloadSize';

/** Attributes that mark a pointer; no header of the application. */
export const POINTER_ATTRIBUTES: readonly string[] = [SIZE, LEGACY_SIZE];

/** The parcel with its body left in S3. */
export function pointing({ attributes }: Parcel, { bucket, key }: Pointer, size: number): Parcel {
  return {
    body: JSON.stringify([CLASS, { s3BucketName: bucket, s3Key: key }]),
    attributes: { ...attributes, [SIZE]: { DataType: 'Number', StringValue: String(size) } },
  };
}

/** Where the parcel's body is; undefined if it is in the parcel. */
export function pointerOf({ body, attributes }: Parcel): Pointer | undefined {
  if (!POINTER_ATTRIBUTES.some((name) => attributes[name])) return undefined;
  try {
    const [kind, place] = JSON.parse(body) as [unknown, Record<string, unknown>];
    if (kind !== CLASS && kind !== LEGACY_CLASS) return undefined;
    const { s3BucketName: bucket, s3Key: key } = place;
    return typeof bucket === 'string' && typeof key === 'string' ? { bucket, key } : undefined;
  } catch {
    // A message of the application's own, that happens to have such an attribute.
    return undefined;
  }
}
