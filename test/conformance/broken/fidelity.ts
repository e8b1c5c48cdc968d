import type { Message, OutgoingMessage } from '@nest-messaging/core/contract';
import { networkedUnderTest } from '../memory-under-test.js';
import { acknowledge, around, broken, delivering, handling, publishing, type Broken } from './breaking.js';

const arriving = (change: (message: Message) => Message) => (): ReturnType<typeof delivering> =>
  delivering((delivery) => ({ ...delivery, message: change(delivery.message) }));

const text = ({ body }: Message): string => Buffer.from(body).toString();

/** Foreign messages are those that name no source; every message of a test does. */
const isForeign = ({ source }: Message): boolean => source === undefined;

/** Defects in what arrives of a message. */
export const brokenFidelity: readonly Broken[] = [
  broken(
    'takes every body for text',
    arriving((m) => ({ ...m, body: Buffer.from(text(m)) })),
  ),
  broken(
    'makes `null` of an empty body',
    arriving((m) => (m.body.length === 0 ? { ...m, body: Buffer.from('null') } : m)),
  ),
  broken(
    'cuts bodies at 64 KiB',
    arriving((m) => ({ ...m, body: m.body.subarray(0, 65_536) })),
  ),
  broken(
    'writes JSON anew',
    arriving((m) => {
      try {
        return { ...m, body: Buffer.from(JSON.stringify(JSON.parse(text(m)))) };
      } catch {
        return m;
      }
    }),
  ),
  broken(
    'writes header names in lower case',
    arriving((m) => ({
      ...m,
      headers: Object.fromEntries(
        Object.entries(m.headers).map(([name, value]) => [name.toLowerCase(), value]),
      ),
    })),
  ),
  broken(
    'trims header values and drops empty ones',
    arriving((m) => ({
      ...m,
      headers: Object.fromEntries(
        Object.entries(m.headers).flatMap(([name, value]) => (value.trim() ? [[name, value.trim()]] : [])),
      ),
    })),
  ),
  ...(
    [
      'contentType',
      'key',
      'source',
      'publishedAt',
      'dueAt',
      'correlationId',
      'causationId',
      'expiresAt',
      'version',
    ] as const satisfies readonly (keyof Message)[]
  ).map((field) =>
    broken(
      `loses ${field}`,
      arriving((m) => ({ ...m, [field]: undefined })),
    ),
  ),
  broken(
    'keeps times to the second',
    arriving((m) => ({ ...m, publishedAt: m.publishedAt && Math.floor(m.publishedAt / 1_000) * 1_000 })),
  ),
  broken(
    'makes up a key and a conversation',
    arriving((m) => ({ ...m, key: m.key ?? m.id, correlationId: m.correlationId ?? m.id })),
  ),
  broken(
    'adds headers of its own',
    arriving((m) => ({ ...m, headers: { ...m.headers, 'x-delivered-by': 'memory' } })),
  ),
  broken('hides the broker client’s own message', () =>
    delivering((delivery) => ({ ...delivery, raw: undefined })),
  ),
  broken('drops messages that have expired', () =>
    handling(
      (handle, _, { clock }) =>
        async (delivery) =>
          (delivery.message.expiresAt ?? Number.POSITIVE_INFINITY) < clock.now()
            ? acknowledge
            : handle(delivery),
    ),
  ),
  broken('drops topic messages that are not its own', () =>
    handling(
      (handle) => async (delivery) =>
        isForeign(delivery.message) && delivery.message.destination.kind === 'topic'
          ? acknowledge
          : handle(delivery),
    ),
  ),
  broken('drops tasks that are not its own', () =>
    handling(
      (handle) => async (delivery) =>
        isForeign(delivery.message) && delivery.message.destination.kind === 'queue'
          ? acknowledge
          : handle(delivery),
    ),
  ),
  broken(
    'drops headers of foreign messages',
    arriving((m) => (isForeign(m) ? { ...m, headers: {} } : m)),
  ),
  broken('fails on headers it did not write', () =>
    handling(
      (handle) => async (delivery) =>
        'nm-attempt' in delivery.message.headers ? new Promise(() => {}) : handle(delivery),
    ),
  ),
  broken(
    'gives a foreign message another id at each attempt',
    arriving((m) => (isForeign(m) ? { ...m, id: crypto.randomUUID() } : m)),
  ),
  broken(
    'skips a byte-order mark',
    arriving((m) => (m.body[0] === 0xef ? { ...m, body: m.body.subarray(3) } : m)),
  ),
  {
    name: 'wraps payloads in an envelope',
    create() {
      const envelope = (message: OutgoingMessage): OutgoingMessage => ({
        ...message,
        body: Buffer.from(JSON.stringify({ data: Buffer.from(message.body).toString('base64') })),
      });
      return networkedUnderTest((broker) =>
        around((transport) => ({
          subscribe: (s, handle) =>
            transport.subscribe(s, (delivery) => {
              const { message } = delivery;
              if (isForeign(message)) return handle(delivery);
              const { data } = JSON.parse(text(message)) as { data: string };
              return handle({
                ...delivery,
                message: { ...message, body: new Uint8Array(Buffer.from(data, 'base64')) },
              });
            }),
        }))(publishing(envelope)(broker)),
      );
    },
  },
];
