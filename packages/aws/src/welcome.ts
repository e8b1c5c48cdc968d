import type { SNSClient } from '@aws-sdk/client-sns';
import { isPattern, matches, type SubscriptionId } from '@nest-messaging/core/contract';
import { join } from './attach.js';
import { isRetryable } from './errors.js';
import { eventOfTopic, isFifo, lastName, queuePrefix, subscriptionOfQueue, type Owner } from './names.js';
import type { Queue, Queues, Tags } from './queues.js';

/** What a subscription's queue says of itself. A tag takes neither `*` nor `#`. */
export const tagsOf = ({ group, source }: SubscriptionId, service: string): Tags => ({
  'nest-messaging:service': service,
  'nest-messaging:group': group,
  [`nest-messaging:${source.kind}`]: source.name.replace(/[*#]/g, (wildcard) =>
    wildcard === '*' ? '+' : '++',
  ),
});

export interface WelcomeParts {
  readonly owner: Owner;
  readonly sns: SNSClient;
  readonly queues: Queues;
  readonly warn: (message: string, error: unknown) => void;
}

/**
 * Subscribes to a new topic those queues that want it and cannot know of it: SNS has no patterns, and drops what is
 * published before a queue is subscribed. Its subscribers find the topic, too, at an interval; so that both sides look,
 * each after it has made what the other looks for, and none misses the other.
 */
export function createWelcome({ owner, sns, queues, warn }: WelcomeParts): (topic: string) => Promise<void> {
  let warned = false;

  const wants = (queue: string, topic: string): boolean => {
    const event = eventOfTopic(owner, topic);
    const name = subscriptionOfQueue(owner, queue)?.source.name;
    if (event === undefined || name === undefined || (isFifo(queue) && !isFifo(topic))) return false;
    // Whoever has subscribed to this very topic has made it.
    return isPattern(name) ? matches(name, event) : name === event && isFifo(topic) && !isFifo(queue);
  };

  /** A queue for tasks may have the same name. */
  const isSubscriptions = async (queue: Queue): Promise<boolean> => {
    const id = subscriptionOfQueue(owner, queue.name);
    const wanted = id && tagsOf(id, '')['nest-messaging:topic'];
    return (await queues.tags(queue))['nest-messaging:topic'] === wanted;
  };

  return async (topic) => {
    try {
      const all = await queues.list(queuePrefix(owner));
      const wanting = all.filter(({ name }) => wants(name, lastName(topic)));
      await Promise.all(
        wanting.map(async (queue) => {
          const raw = !isPattern(subscriptionOfQueue(owner, queue.name)!.source.name);
          if (await isSubscriptions(queue)) await join(sns, topic, await queues.arn(queue), { raw });
        }),
      );
    } catch (error) {
      if (isRetryable(error)) throw error;
      if (!warned)
        warn(
          `patterns get messages of new topics only once they have looked for them: this process may not see to it`,
          error,
        );
      warned = true;
    }
  };
}
