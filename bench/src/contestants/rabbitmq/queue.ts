/** What a peer's queue is where it shall keep messages as ours does. */
export const QUORUM = { durable: true, arguments: { 'x-queue-type': 'quorum' } } as const;
/** Under which orders are published, through the default exchange apart. */
export const KEY = 'order.placed';
export const EXCHANGE = 'bench';
