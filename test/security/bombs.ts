import { once } from 'node:events';
import { createGzip, gzipSync } from 'node:zlib';
import { byteWriter, varintBytes } from '../../packages/kafka/src/driver/bytes.js';
import { crc32c } from '../../packages/kafka/src/driver/crc32c.js';
import { openDriver } from '../../packages/kafka/src/driver/open.js';
import { encodeBatch } from '../../packages/kafka/src/driver/record-batch.js';
import type { ForeignMessage } from '../support/arbitrary.js';
import { kafkaBrokers } from '../support/kafka.js';

const DEPTH = 100_000;
const deep = `${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}`;

const message = (body: string | Uint8Array, headers: ForeignMessage['headers'] = []): ForeignMessage => ({
  body: Buffer.from(body as string),
  contentType: 'application/json',
  headers,
});

/** Small, and made to become large. */
export const bombs: readonly ForeignMessage[] = [
  message(deep),
  message(`{"__proto__":${deep}}`),
  // Cut in its depth.
  message(deep.slice(0, DEPTH)),
  // Whoever believed the header would make a hundred megabytes of it.
  message(gzipSync(Buffer.alloc(100 * 1024 * 1024)), [['content-encoding', 'gzip']]),
  message(
    '{}',
    Array.from({ length: 2_000 }, (_, n) => [`h${n}`, 'x']),
  ),
];

/** Zeros as gzip makes them, without ever having all of them. */
async function zerosBehind(head: Buffer, count: number, tail: Buffer): Promise<Buffer> {
  const gzip = createGzip({ level: 9 });
  const parts: Buffer[] = [];
  gzip.on('data', (part: Buffer) => parts.push(part));
  const chunk = Buffer.alloc(1024 * 1024);
  gzip.write(head);
  for (let left = count; left > 0; left -= chunk.length)
    if (!gzip.write(chunk.subarray(0, Math.min(left, chunk.length)))) await once(gzip, 'drain');
  gzip.end(tail);
  await once(gzip, 'end');
  return Buffer.concat(parts);
}

/** Where the count of bytes and the checksum stand in a batch, and how long its header is. */
const [LENGTH_AT, CHECKSUM_AT, CHECKED_FROM, HEADER] = [8, 17, 21, 61];

/** Writes a batch of one record whose value are so many zeros, compressed. */
export async function publishCompressedZeros(topic: string, zeros: number): Promise<void> {
  const length = 3 + varintBytes(-1) + varintBytes(zeros) + zeros + varintBytes(0);
  const head = byteWriter(32);
  head.varint(length);
  head.int8(0);
  head.varint(0);
  head.varint(0);
  head.varintBytes(null);
  head.varint(zeros);
  const compressed = await zerosBehind(head.bytes(), zeros, Buffer.from([0]));
  const template = await encodeBatch(
    [{ topic, key: null, value: null, headers: [] }],
    { producerId: -1n, producerEpoch: -1, first: -1 },
    'gzip',
  );
  const bytes = Buffer.concat([template.subarray(0, HEADER), compressed]);
  bytes.writeInt32BE(bytes.length - LENGTH_AT - 4, LENGTH_AT);
  bytes.writeUInt32BE(crc32c(bytes.subarray(CHECKED_FROM)), CHECKSUM_AT);

  const driver = await openDriver('kafkajs', {
    brokers: kafkaBrokers().split(','),
    clientId: 'stranger',
    connectTimeout: 10_000,
    requestTimeout: 20_000,
    vendor: {},
    onDisconnect: () => undefined,
  });
  const client = driver.client();
  try {
    await client.connect();
    const [node] = (await client.leaders([topic])).get(topic)!;
    const [error] = await client.produce(node!, [{ topic, partition: 0, bytes }], 20_000);
    if (error) throw error;
  } finally {
    await client.close();
  }
}
