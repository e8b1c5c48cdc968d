/** What a peer's queue is where it shall keep messages as ours does. */
export const QUORUM = { durable: true, arguments: { 'x-queue-type': 'quorum' } } as const;
/** Under which orders are published, through the default exchange apart. */
export const KEY = 'order.placed';
export const EXCHANGE = 'bench';
/**
 * How a peer's connection is where it shall be as ours is: by itself, amqplib leaves Nagle's algorithm on, and a publish in
 * two packets waits some 40 ms for the acknowledgement of the first.
 */
export const CONNECTION = { noDelay: true } as const;
