import type { SNSClient } from '@aws-sdk/client-sns';
import { isPattern, matches, TopologyError, type SubscriptionId } from '@nest-messaging/core/contract';
import { join } from './attach.js';
import { isRetryable } from './errors.js';
import { filterOf } from './filter-tags.js';
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
 * each after it has made what the other looks for, and none misses the other. To a topic that is made anew all that want
 * it are subscribed: AWS has deleted their subscriptions with the old one.
 */
export function createWelcome({
  owner,
  sns,
  queues,
  warn,
}: WelcomeParts): (topic: string, anew: boolean) => Promise<void> {
  let warned = false;

  const wants = (queue: string, topic: string, anew: boolean): boolean => {
    const event = eventOfTopic(owner, topic);
    const name = subscriptionOfQueue(owner, queue)?.source.name;
    if (event === undefined || name === undefined || (isFifo(queue) && !isFifo(topic))) return false;
    if (isPattern(name)) return matches(name, event);
    // Whoever has subscribed to this very topic has made it.
    return name === event && (anew || (isFifo(topic) && !isFifo(queue)));
  };

  /** Subscribes a queue as its own subscribers do, with the filter policy that it tells of. */
  const admit = async (queue: Queue, topic: string): Promise<void> => {
    const id = subscriptionOfQueue(owner, queue.name)!;
    const tags = await queues.tags(queue);
    // A queue for tasks may have the same name.
    if (tags['nest-messaging:topic'] !== tagsOf(id, '')['nest-messaging:topic']) return;
    const raw = !isPattern(id.source.name);
    await join(sns, topic, await queues.arn(queue), { ...filterOf(tags), raw });
  };

  return async (topic, anew) => {
    try {
      const all = await queues.list(queuePrefix(owner));
      const wanting = all.filter(({ name }) => wants(name, lastName(topic), anew));
      await Promise.all(wanting.map((queue) => admit(queue, topic)));
    } catch (error) {
      if (isRetryable(error) && !(error instanceof TopologyError)) throw error;
      if (!warned)
        warn(
          `patterns get messages of new topics only once they have looked for them: this process may not see to it`,
          error,
        );
      warned = true;
    }
  };
}
