import { createTurnoverSet } from '@nest-messaging/core/contract';
import type { Channel, ConsumeMessage } from 'amqplib';

/**
 * What was done in one turn of the event loop is told to the broker together: up to the oldest delivery that is not, by one
 * `basic.ack` with `multiple`. https://www.rabbitmq.com/docs/confirms#consumer-acks-multiple-parameter
 */
export interface Acknowledgements {
  delivered(raw: ConsumeMessage): void;
  done(raw: ConsumeMessage): void;
  /** It was given back: the broker has nothing of it to be told any more. */
  forget(raw: ConsumeMessage): void;
  /** Tells what is done at once. */
  flush(): void;
}

/** @param tell lets the channel be used, and bears that it is closed: what was delivered on it comes again */
export function createAcknowledgements(
  channel: Pick<Channel, 'ack'>,
  tell: (send: () => void) => void,
): Acknowledgements {
  /** In the order of their delivery. */
  const unsettled = createTurnoverSet<ConsumeMessage>();
  const done = createTurnoverSet<ConsumeMessage>();
  let soon: NodeJS.Immediate | undefined;

  const flush = (): void => {
    clearImmediate(soon);
    soon = undefined;
    let last: ConsumeMessage | undefined;
    for (const raw of unsettled) {
      if (!done.delete(raw)) break;
      unsettled.delete(raw);
      last = raw;
    }
    if (last) tell(() => channel.ack(last, true));
    for (const raw of done) {
      unsettled.delete(raw);
      tell(() => channel.ack(raw));
    }
    done.clear();
  };

  return {
    delivered: (raw) => unsettled.add(raw),
    done(raw) {
      done.add(raw);
      soon ??= setImmediate(flush);
    },
    forget: (raw) => void unsettled.delete(raw),
    flush,
  };
}
