import { isDeepStrictEqual } from 'node:util';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  SetQueueAttributesCommand,
  TagQueueCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { Topology } from '@nest-messaging/core/contract';
import { isMissing, isRetryable, missing, topologyError } from './errors.js';
import { isFifo, lastName } from './names.js';
import { createRemembered } from './remembered.js';

export interface Queue {
  readonly name: string;
  readonly url: string;
}

export type Tags = Readonly<Record<string, string>>;

/** What a queue is there for. */
export interface QueueOwner {
  /** For messages to people. */
  readonly what: string;
  readonly tags?: Tags;
}

/** SQS queues by name. */
export interface Queues {
  /**
   * A queue that exists: made where the module may. What exists keeps its attributes.
   * @throws {TopologyError} if it is missing, or may not be made
   */
  ensure(name: string, owner: QueueOwner): Promise<Queue>;
  /** One that `ensure` has answered, and nobody has forgotten since. */
  known(name: string): Queue | undefined;
  /** Makes a queue of this process alone, whatever the topology. */
  make(name: string, owner: QueueOwner): Promise<Queue>;
  find(name: string): Promise<Queue | undefined>;
  arn(queue: Queue): Promise<string>;
  /** How many messages wait in it, about: SQS counts within a minute. @throws what the SDK throws, or `TopologyError` */
  waiting(queue: Queue): Promise<number>;
  /** Names of all queues that begin so. */
  list(prefix: string): Promise<Queue[]>;
  tags(queue: Queue): Promise<Tags>;
  /** Adds tags, or overwrites them. */
  tag(queue: Queue, tags: Tags): Promise<void>;
  /**
   * Lets the topics of an event or a pattern send to the queue, beside whatever its policy allows already.
   * @param topics names, with `*` for any characters
   */
  admit(queue: Queue, topics: readonly string[]): Promise<void>;
  /** After so many receipts SQS itself moves a message to the dead letters: it may kill its process. */
  backstop(queue: Queue, dead: Queue): Promise<void>;
  forget(name: string): void;
}

/** Constants of the format: nothing that an application can configure, so that a changed option never meets a refusal. */
const ATTRIBUTES = { MessageRetentionPeriod: String(14 * 24 * 60 * 60), VisibilityTimeout: '30' };
const FIFO = {
  FifoQueue: 'true',
  DeduplicationScope: 'messageGroup',
  FifoThroughputLimit: 'perMessageGroupId',
};

/** What a queue of this name is made with. */
export const attributesOf = (name: string): Readonly<Record<string, string>> =>
  isFifo(name) ? { ...ATTRIBUTES, ...FIFO } : ATTRIBUTES;

/** Far beyond what failures and restarts make; what comes so often is not handled for another reason. */
const MOST_RECEIPTS = '1000';

const SID = 'NestMessagingTopics';

interface Statement {
  readonly Sid?: string;
}

interface Policy {
  readonly Version?: string;
  readonly Statement?: readonly Statement[];
}

/**
 * @param queue its ARN
 * @returns the policy that lets these topics in, beside what it says already; undefined if it does
 */
export function admitting(
  policy: string | undefined,
  queue: string,
  topics: readonly string[],
): string | undefined {
  const { Version = '2012-10-17', Statement = [], ...rest } = JSON.parse(policy || '{}') as Policy;
  const [, partition, , region, account] = queue.split(':');
  const statement = {
    Sid: SID,
    Effect: 'Allow',
    Principal: { Service: 'sns.amazonaws.com' },
    Action: 'sqs:SendMessage',
    Resource: queue,
    Condition: {
      ArnLike: {
        'aws:SourceArn': topics.map((name) => `arn:${partition}:sns:${region}:${account}:${name}`),
      },
    },
  };
  const own = Statement.find(({ Sid }) => Sid === SID);
  if (isDeepStrictEqual(own, statement)) return undefined;
  return JSON.stringify({
    ...rest,
    Version,
    Statement: [...Statement.filter((one) => one !== own), statement],
  });
}

export function createQueues(sqs: SQSClient, topology: Topology): Queues {
  const remembered = createRemembered<Queue>();

  const find = async (name: string): Promise<Queue | undefined> => {
    try {
      const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: name }));
      return { name, url: QueueUrl! };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw isRetryable(error) ? error : topologyError(`queue '${name}'`, 'sqs:GetQueueUrl', error);
    }
  };

  const make = async (name: string, { what, tags }: QueueOwner): Promise<Queue> => {
    try {
      const Attributes = attributesOf(name);
      const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: name, Attributes, tags }));
      return { name, url: QueueUrl! };
    } catch (error) {
      throw isRetryable(error)
        ? error
        : topologyError(`queue '${name}' of ${what}`, 'sqs:CreateQueue', error);
    }
  };

  const findOrMake = async (name: string, owner: QueueOwner): Promise<Queue> => {
    // Asked for first: creating one that exists with other attributes is refused.
    const found = await find(name);
    if (found) return found;
    if (topology !== 'create') throw missing(`queue '${name}' of ${owner.what}`);
    return make(name, owner);
  };

  const attributes = async (
    { name, url }: Queue,
    wanted: ('QueueArn' | 'Policy' | 'RedrivePolicy' | 'ApproximateNumberOfMessages')[],
  ): Promise<Partial<Record<string, string>>> => {
    try {
      const { Attributes = {} } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: wanted }),
      );
      return Attributes;
    } catch (error) {
      throw isRetryable(error) ? error : topologyError(`queue '${name}'`, 'sqs:GetQueueAttributes', error);
    }
  };

  const set = async ({ name, url }: Queue, Attributes: Record<string, string>): Promise<void> => {
    try {
      await sqs.send(new SetQueueAttributesCommand({ QueueUrl: url, Attributes }));
    } catch (error) {
      throw isRetryable(error) ? error : topologyError(`queue '${name}'`, 'sqs:SetQueueAttributes', error);
    }
  };

  const arn = async (queue: Queue): Promise<string> => (await attributes(queue, ['QueueArn'])).QueueArn!;

  return {
    find,
    make,
    arn,
    async waiting(queue) {
      const { ApproximateNumberOfMessages: count } = await attributes(queue, ['ApproximateNumberOfMessages']);
      return Number(count);
    },
    async list(prefix) {
      const queues: Queue[] = [];
      let NextToken: string | undefined;
      do {
        // Without a number SQS answers a thousand at most, and no token.
        const page = await sqs.send(
          new ListQueuesCommand({ QueueNamePrefix: prefix, MaxResults: 1_000, NextToken }),
        );
        for (const url of page.QueueUrls ?? []) queues.push({ name: lastName(url), url });
        NextToken = page.NextToken;
      } while (NextToken);
      return queues;
    },
    async tags({ name, url }) {
      try {
        const { Tags = {} } = await sqs.send(new ListQueueTagsCommand({ QueueUrl: url }));
        return Tags;
      } catch (error) {
        throw isRetryable(error) ? error : topologyError(`queue '${name}'`, 'sqs:ListQueueTags', error);
      }
    },
    async tag({ name, url }, tags) {
      try {
        await sqs.send(new TagQueueCommand({ QueueUrl: url, Tags: tags }));
      } catch (error) {
        throw isRetryable(error) ? error : topologyError(`queue '${name}'`, 'sqs:TagQueue', error);
      }
    },
    ensure: (name, owner) => remembered.ensure(name, () => findOrMake(name, owner)),
    known: (name) => remembered.known(name),
    async admit(queue, topics) {
      const { QueueArn, Policy: policy } = await attributes(queue, ['QueueArn', 'Policy']);
      const next = admitting(policy, QueueArn!, topics);
      if (next !== undefined) await set(queue, { Policy: next });
    },
    async backstop(queue, dead) {
      // A FIFO queue can only have a FIFO one behind it.
      if (topology !== 'create' || isFifo(queue.name)) return;
      const { RedrivePolicy } = await attributes(queue, ['RedrivePolicy']);
      if (RedrivePolicy) return;
      const deadLetterTargetArn = await arn(dead);
      await set(queue, {
        RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: MOST_RECEIPTS }),
      });
    },
    forget: (name) => remembered.forget(name),
  };
}
