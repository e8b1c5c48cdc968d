import { createHash } from 'node:crypto';
import type { Message as AmqpMessage } from 'amqplib';
import { deliveryCount, HEADER } from './wire.js';

/**
 * How often a message came back without a reason that this process knows: a sign that it kills processes.
 *
 * A quorum queue counts every return of a message, be it that its process died, that its connection was cut, or that
 * it was given back in good order (RabbitMQ 3.10 counts that too). What this process itself gave back, or lost with a
 * connection that it outlived, was no death, and is deducted as long as the message comes back here. What another
 * process gave back cannot be known; hence a message is only suspected, and handled alone, before a death is counted.
 */
export interface Unexplained {
  /** Returns of this message up to now that nobody here has explained. */
  of(raw: AmqpMessage): number;
  /** This process gives it back, or has lost it, and lives on. */
  givenBack(raw: AmqpMessage): void;
  /** It will not come again. */
  forget(raw: AmqpMessage): void;
}

/** More than any process has in hand; the oldest go first. */
const MOST = 10_000;

function identity(raw: AmqpMessage): string {
  const { messageId, headers } = raw.properties;
  const id: unknown = messageId ?? headers?.[HEADER.id];
  if (typeof id === 'string' && id !== '') return id;
  return createHash('sha1').update(raw.fields.routingKey).update(raw.content).digest('base64');
}

export function createUnexplained(): Unexplained {
  const known = new Map<string, { readonly count: number; readonly unexplained: number }>();

  const of = (raw: AmqpMessage): number => {
    const count = deliveryCount(raw);
    const before = known.get(identity(raw));
    // One return is explained; further ones since then happened elsewhere.
    return before ? before.unexplained + Math.max(0, count - before.count - 1) : count;
  };

  return {
    of,
    givenBack(raw) {
      const unexplained = of(raw);
      const key = identity(raw);
      known.delete(key);
      known.set(key, { count: deliveryCount(raw), unexplained });
      if (known.size > MOST) known.delete(known.keys().next().value!);
    },
    forget(raw) {
      if (known.size > 0) known.delete(identity(raw));
    },
  };
}
