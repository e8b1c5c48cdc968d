import { randomBytes } from 'node:crypto';
import { DeleteQueueCommand, TagQueueCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { SNSClient } from '@aws-sdk/client-sns';
import { pause, type Clock } from '@nest-messaging/core/contract';
import { detach, find } from './attach.js';
import { isMissing } from './errors.js';
import { LIVE_ENDING } from './names.js';
import type { Queue, Queues, Tags } from './queues.js';

/** Says when its process was last there, as ISO 8601. */
const ALIVE = 'nest-messaging:alive';
/** Milliseconds between two such words, and after how long without one a process is dead. */
const SAYS = 5 * 60_000;
const DEAD = 60 * 60_000;

export interface BroadcastsParts {
  readonly sns: SNSClient;
  readonly sqs: SQSClient;
  readonly queues: Queues;
  readonly clock: Clock;
}

/** Queues of one process alone: SQS has none that go with their process, so that others remove those of the dead. */
export interface Broadcasts {
  /** A new queue under this prefix, which says that it is alive until `over` aborts. */
  make(prefix: string, what: string, tags: Tags, over: AbortSignal): Promise<Queue>;
  /**
   * Removes those under the prefix whose process has died, with their subscriptions to these topics. What cannot be
   * removed is left to the next that looks.
   */
  sweep(prefix: string, topics: readonly string[]): Promise<void>;
  remove(queue: Queue, subscriptions: Iterable<string>): Promise<void>;
}

export function createBroadcasts({ sns, sqs, queues, clock }: BroadcastsParts): Broadcasts {
  const now = (): string => new Date(clock.now()).toISOString();

  const stayAlive = async (queue: Queue, over: AbortSignal): Promise<void> => {
    for (;;) {
      await pause(clock, SAYS, over);
      if (over.aborted) return;
      // The next time is soon enough.
      await sqs
        .send(new TagQueueCommand({ QueueUrl: queue.url, Tags: { [ALIVE]: now() } }))
        .catch(() => undefined);
    }
  };

  const isDead = async (queue: Queue): Promise<boolean> => {
    const alive = Date.parse((await queues.tags(queue))[ALIVE] ?? '');
    return clock.now() - alive > DEAD;
  };

  const remove = async ({ url }: Queue, subscriptions: Iterable<string>): Promise<void> => {
    const results = await Promise.allSettled([
      ...[...subscriptions].map((subscription) => detach(sns, subscription)),
      sqs.send(new DeleteQueueCommand({ QueueUrl: url })),
    ]);
    for (const result of results)
      if (result.status === 'rejected' && !isMissing(result.reason)) throw result.reason;
  };

  return {
    remove,
    async make(prefix, what, tags, over) {
      const name = `${prefix}${randomBytes(LIVE_ENDING / 2).toString('hex')}`;
      const queue = await queues.make(name, { what, tags: { ...tags, [ALIVE]: now() } });
      void stayAlive(queue, over);
      return queue;
    },
    async sweep(prefix, topics) {
      for (const queue of await queues.list(prefix)) {
        if (!(await isDead(queue))) continue;
        const arn = await queues.arn(queue);
        const found = await Promise.all(topics.map((topic) => find(sns, topic, arn)));
        await remove(
          queue,
          found.filter((subscription) => subscription !== undefined),
        );
      }
    },
  };
}
