import type { Message as SqsMessage } from '@aws-sdk/client-sqs';
import type { Clock } from '@nest-messaging/core/contract';
import { pause } from './backoff.js';
import type { End, Work } from './consumer.js';
import type { Queue } from './queues.js';
import type { Sending } from './sending.js';
import type { Topics } from './topics.js';
import { copyOf, read } from './wire.js';
import { delaySeconds, LONGEST_STEP, placeOf } from './work.js';

export interface RelayParts {
  readonly queue: Queue;
  readonly topics: Topics;
  readonly sending: Sending;
  readonly clock: Clock;
  readonly abandoned: AbortSignal;
  readonly warn: (message: string, error: unknown) => void;
}

/** Milliseconds until what cannot be passed on is tried again. */
const AGAIN_AFTER = 60_000;

/** Passes on what a service has published with a delay: through SQS's own delays of 15 minutes, to its topic when it is due. */
export function relayOn(parts: RelayParts): (raw: SqsMessage, leaving: AbortSignal) => Work {
  const { queue, topics, sending, clock, abandoned, warn } = parts;
  return (raw, leaving) => {
    const { message, marks } = read(raw, { kind: 'queue', name: queue.name });
    const { due = 0, to, key } = marks;
    const id = message.id;

    const pass = async (): Promise<void> => {
      const left = due - clock.now();
      if (left > 0)
        return sending.toQueue(
          queue.url,
          copyOf(raw, marks),
          placeOf(key, id, 'wait'),
          delaySeconds(left),
          abandoned,
        );
      const arn = await topics.ensure(to!.name);
      await sending.toTopic(arn, copyOf(raw, {}), { key: key ?? id, deduplication: id }, abandoned);
    };

    const carryOut = async (): Promise<End> => {
      if (leaving.aborted) return { visibleAfter: Math.min(Math.max(0, due - clock.now()), LONGEST_STEP) };
      if (!to) {
        warn(
          `message ${raw.MessageId} in '${queue.name}' was not put there by the module, and is deleted`,
          undefined,
        );
        return 'done';
      }
      try {
        await pass();
        return 'done';
      } catch (error) {
        warn(`what is due in '${to.name}' cannot be passed on there; it is tried again`, error);
        return { visibleAfter: AGAIN_AFTER };
      }
    };

    return async () => {
      const left = due - clock.now();
      if (left > 0 && left < 1_000) await pause(clock, left, leaving);
      return carryOut;
    };
  };
}
