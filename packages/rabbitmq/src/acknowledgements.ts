import { createTurnoverMap, createTurnoverSet } from '@nest-messaging/core/contract';
import type { Channel, ConsumeMessage } from 'amqplib';

/**
 * What was done in one turn of the event loop is told to the broker together: up to the oldest delivery that is not, by one
 * `basic.ack` with `multiple`. https://www.rabbitmq.com/docs/confirms#consumer-acks-multiple-parameter
 */
export interface Acknowledgements {
  delivered(raw: ConsumeMessage): void;
  /** @param carriedOut called once the broker was told */
  done(raw: ConsumeMessage, carriedOut?: () => void): void;
  /** It was given back: the broker has nothing of it to be told any more. */
  forget(raw: ConsumeMessage): void;
  /** Tells what is done at once. */
  flush(): void;
}

export interface AcknowledgementsParts {
  readonly channel: Pick<Channel, 'ack'>;
  /** Lets the channel be used; answers whether it could: what was delivered on a closed one comes again. */
  readonly tell: (send: () => void) => boolean;
  /** The broker was told of it. */
  readonly told: (raw: ConsumeMessage) => void;
}

export function createAcknowledgements({ channel, tell, told }: AcknowledgementsParts): Acknowledgements {
  /** In the order of their delivery. */
  const unsettled = createTurnoverSet<ConsumeMessage>();
  const done = createTurnoverSet<ConsumeMessage>();
  /** Of those done, who wants to know. */
  const wanted = createTurnoverMap<ConsumeMessage, () => void>();
  let soon: NodeJS.Immediate | undefined;

  const settle = (raw: ConsumeMessage): void => {
    unsettled.delete(raw);
    done.delete(raw);
    told(raw);
    wanted.get(raw)?.();
    wanted.delete(raw);
  };

  const flush = (): void => {
    clearImmediate(soon);
    soon = undefined;
    let last: ConsumeMessage | undefined;
    for (const raw of unsettled) {
      if (!done.has(raw)) break;
      last = raw;
    }
    if (last && tell(() => channel.ack(last, true)))
      for (const raw of unsettled) {
        settle(raw);
        if (raw === last) break;
      }
    for (const raw of done) if (tell(() => channel.ack(raw))) settle(raw);
    // What is left could not be told: its channel is gone.
    for (const raw of done) wanted.delete(raw);
    done.clear();
  };

  return {
    delivered: (raw) => unsettled.add(raw),
    done(raw, carriedOut) {
      done.add(raw);
      if (carriedOut) wanted.set(raw, carriedOut);
      soon ??= setImmediate(flush);
    },
    forget: (raw) => void unsettled.delete(raw),
    flush,
  };
}
