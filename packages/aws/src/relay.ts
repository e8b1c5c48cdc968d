import type { Message as SqsMessage } from '@aws-sdk/client-sqs';
import { pause, type Clock } from '@nest-messaging/core/contract';
import type { End, Work } from './consumer.js';
import { isMissing } from './errors.js';
import { eventOfTopic, type Owner } from './names.js';
import type { Queue, Queues } from './queues.js';
import type { Sending } from './sending.js';
import type { Topics } from './topics.js';
import { copyOf, read, type Parcel } from './wire.js';
import { delaySeconds, LONGEST_STEP, placeOf } from './work.js';

export interface RelayParts {
  readonly owner: Owner;
  readonly queue: Queue;
  readonly topics: Topics;
  readonly queues: Queues;
  readonly sending: Sending;
  readonly clock: Clock;
  readonly abandoned: AbortSignal;
  readonly warn: (message: string, error: unknown) => void;
}

/** Milliseconds until what cannot be passed on is tried again. */
const AGAIN_AFTER = 60_000;

/** What is published when a message is due: as it was, without the marks that brought it here. */
export const passedOn = (raw: Pick<SqsMessage, 'Body' | 'MessageAttributes'>): Parcel => copyOf(raw, {});

/** Passes on what a service has published with a delay: through SQS's own delays of 15 minutes, to where it goes when it is due. */
export function relayOn(parts: RelayParts): (raw: SqsMessage, leaving: AbortSignal) => Work {
  const { owner, queue, topics, queues, sending, clock, abandoned, warn } = parts;
  return (raw, leaving) => {
    const { message, marks } = read(raw, { kind: 'queue', name: queue.name }, owner);
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
      const { kind, name } = to!;
      const place = { key: key ?? id, deduplication: id };
      if (kind === 'queue') {
        const { url } = await queues.ensure(name, { what: 'what is due in it' });
        return sending.toQueue(url, passedOn(raw), place, 0, abandoned);
      }
      const arn = await topics.ensure(name, `topic '${eventOfTopic(owner, name)}'`);
      await sending.toTopic(arn, passedOn(raw), place, abandoned);
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
        // Someone has deleted it: it is found, or made, anew.
        if (isMissing((error as Error).cause)) (to.kind === 'topic' ? topics : queues).forget(to.name);
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
