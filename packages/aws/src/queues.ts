import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  SetQueueAttributesCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { Topology } from '@nest-messaging/core/contract';
import { isMissing, isRetryable, missing, topologyError } from './errors.js';
import { isFifo } from './names.js';

export interface Queue {
  readonly name: string;
  readonly url: string;
}

/** SQS queues by name. */
export interface Queues {
  /**
   * A queue that exists: made where the module may. What exists keeps its attributes.
   * @throws {TopologyError} if it is missing, or may not be made
   */
  ensure(name: string, tags?: Readonly<Record<string, string>>): Promise<Queue>;
  find(name: string): Promise<Queue | undefined>;
  arn(queue: Queue): Promise<string>;
  /** Lets these topics send to the queue, beside whatever its policy allows already. */
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

/** Far beyond what failures and restarts make; what comes so often is not handled for another reason. */
const MOST_RECEIPTS = '1000';

const SID = 'NestMessagingTopics';

interface Statement {
  readonly Sid?: string;
  readonly Condition?: { readonly ArnEquals?: { readonly 'aws:SourceArn'?: string | readonly string[] } };
}

interface Policy {
  readonly Version?: string;
  readonly Statement?: readonly Statement[];
}

/** @returns the policy that lets these topics in, too; undefined if it does already */
export function admitting(
  policy: string | undefined,
  queue: string,
  topics: readonly string[],
): string | undefined {
  const { Version = '2012-10-17', Statement = [], ...rest } = JSON.parse(policy || '{}') as Policy;
  const own = Statement.find(({ Sid }) => Sid === SID);
  const before = [own?.Condition?.ArnEquals?.['aws:SourceArn'] ?? []].flat();
  const arns = [...new Set([...before, ...topics])].sort();
  if (own && arns.length === before.length) return undefined;
  const statement = {
    Sid: SID,
    Effect: 'Allow',
    Principal: { Service: 'sns.amazonaws.com' },
    Action: 'sqs:SendMessage',
    Resource: queue,
    Condition: { ArnEquals: { 'aws:SourceArn': arns } },
  };
  return JSON.stringify({
    ...rest,
    Version,
    Statement: [...Statement.filter((one) => one !== own), statement],
  });
}

export function createQueues(sqs: SQSClient, topology: Topology): Queues {
  const known = new Map<string, Promise<Queue>>();

  const find = async (name: string): Promise<Queue | undefined> => {
    try {
      const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: name }));
      return { name, url: QueueUrl! };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw isRetryable(error) ? error : topologyError(`queue '${name}'`, 'sqs:GetQueueUrl', error);
    }
  };

  const make = async (name: string, tags: Readonly<Record<string, string>>): Promise<Queue> => {
    const what = `queue '${name}'`;
    // Asked for first: creating one that exists with other attributes is refused.
    const found = await find(name);
    if (found) return found;
    if (topology !== 'create') throw missing(what);
    try {
      const Attributes = isFifo(name) ? { ...ATTRIBUTES, ...FIFO } : ATTRIBUTES;
      const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: name, Attributes, tags }));
      return { name, url: QueueUrl! };
    } catch (error) {
      throw isRetryable(error) ? error : topologyError(what, 'sqs:CreateQueue', error);
    }
  };

  const attributes = async (
    { name, url }: Queue,
    wanted: ('QueueArn' | 'Policy' | 'RedrivePolicy')[],
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
    arn,
    ensure(name, tags = {}) {
      let queue = known.get(name);
      if (!queue) {
        queue = make(name, tags);
        queue.catch(() => known.delete(name));
        known.set(name, queue);
      }
      return queue;
    },
    async admit(queue, topics) {
      if (topology !== 'create' || topics.length === 0) return;
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
    forget: (name) => void known.delete(name),
  };
}
