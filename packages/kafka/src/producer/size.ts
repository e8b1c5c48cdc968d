import { MessageTooLargeError } from '@nest-messaging/core/contract';
import type { NewRecord } from '../driver/driver.js';
import { recordBytes } from '../driver/record-batch.js';

/**
 * Bytes that key and headers may have beyond `maxBodySize`. By its defaults a broker takes 1,048,588 at once and the
 * module a body of 1,000,000; the lengths of a record's parts, and the head of its batch, need some of the difference.
 * With that, copies always fit the module's own topics, which leave 1 MiB beyond `maxBodySize`.
 */
export const BESIDE_BODY = 48_000;

/**
 * What a topic really takes the broker alone knows, and refuses by itself.
 * @throws {MessageTooLargeError} if the record is larger than the options have it
 */
export function checkSize(record: NewRecord, maxBodySize: number): void {
  const body = record.value?.length ?? 0;
  if (body > maxBodySize)
    throw new MessageTooLargeError(
      `the body has ${body} bytes: at most ${maxBodySize} are sent (kafka.maxBodySize); publish a reference to it instead`,
    );
  const most = maxBodySize + BESIDE_BODY;
  // Most records are far below, and need no count of their headers' bytes.
  if (recordBytes(record) <= most) return;
  const { key, headers } = record;
  let beside = key?.length ?? 0;
  for (const [name, content] of headers)
    beside += Buffer.byteLength(name) + (content === null ? 0 : Buffer.byteLength(content));
  if (body + beside > most)
    throw new MessageTooLargeError(
      `key and headers have ${beside} bytes, and the body ${body}: at most ${most} are sent together (kafka.maxBodySize and ${BESIDE_BODY}); send less, or raise it together with the topic's max.message.bytes`,
    );
}
