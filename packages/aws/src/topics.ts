import {
  CreateTopicCommand,
  GetTopicAttributesCommand,
  ListTopicsCommand,
  type ListTopicsCommandOutput,
  type SNSClient,
} from '@aws-sdk/client-sns';
import type { Topology } from '@nest-messaging/core/contract';
import { isMissing, isRetryable, missing, topologyError } from './errors.js';
import { isFifo, lastName } from './names.js';
import { createRemembered } from './remembered.js';

/** SNS topics by name. Account and region are in what the service answers, never typed by hand. */
export interface Topics {
  /**
   * The ARN of a topic that exists: made where the module may, otherwise found.
   * @param what the event, for messages to people
   * @throws {TopologyError} if it is missing, or may not be made
   */
  ensure(name: string, what: string): Promise<string>;
  /** The ARN of one that `ensure` has answered, and nobody has forgotten since. */
  known(name: string): string | undefined;
  find(name: string): Promise<string | undefined>;
  /** ARNs of all there are. */
  list(): Promise<string[]>;
  /** Someone deleted it, and AWS its subscriptions with it. */
  forget(name: string): void;
}

export interface TopicsParts {
  readonly sns: SNSClient;
  readonly topology: Topology;
  /** Called with each topic that may just have been made, before anything is published to it; `anew` if it was deleted. */
  readonly welcome: (arn: string, anew: boolean) => Promise<void>;
}

const FIFO = { FifoTopic: 'true' };

/** What a topic of this name is made with. */
export const attributesOf = (name: string): Record<string, string> | undefined =>
  isFifo(name) ? { ...FIFO, FifoThroughputScope: 'MessageGroup' } : undefined;

/** What is remembered of topics that publishers choose is bounded. */
const MOST = 10_000;

/** It exists with other attributes or tags: whoever made it had his reasons. */
const DIFFERS = /already exists with different/i;

export function createTopics({ sns, topology, welcome }: TopicsParts): Topics {
  const remembered = createRemembered<string>(MOST);
  /** Deleted by someone, and not made anew yet. */
  const deleted = new Set<string>();
  /** What ARNs of this account and region begin with, once one was seen: there is no way to ask for one by name. */
  let home: string | undefined;

  const seen = (arn: string): string => {
    home ??= arn.slice(0, arn.lastIndexOf(':') + 1);
    return arn;
  };

  const pageOf = async (NextToken: string | undefined): Promise<ListTopicsCommandOutput> => {
    try {
      return await sns.send(new ListTopicsCommand({ NextToken }));
    } catch (error) {
      throw isRetryable(error) ? error : topologyError('the topics there are', 'sns:ListTopics', error);
    }
  };

  const list = async (): Promise<string[]> => {
    const arns: string[] = [];
    let NextToken: string | undefined;
    do {
      const page = await pageOf(NextToken);
      for (const { TopicArn } of page.Topics ?? []) if (TopicArn) arns.push(seen(TopicArn));
      NextToken = page.NextToken;
    } while (NextToken);
    return arns;
  };

  const find = async (name: string): Promise<string | undefined> => {
    if (home === undefined) return (await list()).find((arn) => lastName(arn) === name);
    const TopicArn = `${home}${name}`;
    try {
      await sns.send(new GetTopicAttributesCommand({ TopicArn }));
      return TopicArn;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw isRetryable(error) ? error : topologyError(`topic '${name}'`, 'sns:GetTopicAttributes', error);
    }
  };

  /** Answers the ARN of one that exists, too. */
  const create = async (name: string, more: object): Promise<string> => {
    const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: name, ...more }));
    return seen(TopicArn!);
  };

  const make = async (name: string, what: string): Promise<string> => {
    const topic = `topic '${name}' of ${what}`;
    if (topology !== 'create') {
      const found = await find(name);
      if (found === undefined) throw missing(topic);
      return found;
    }
    const Attributes = attributesOf(name);
    const Tags = [{ Key: 'nest-messaging:topic', Value: what }];
    try {
      const arn = await create(name, { Attributes, Tags }).catch((error: unknown) => {
        if (!DIFFERS.test((error as Error).message)) throw error;
        return create(name, { Attributes: isFifo(name) ? FIFO : undefined });
      });
      await welcome(arn, deleted.has(name));
      deleted.delete(name);
      return arn;
    } catch (error) {
      throw isRetryable(error) ? error : topologyError(topic, 'sns:CreateTopic', error);
    }
  };

  return {
    find,
    list,
    ensure: (name, what) => remembered.ensure(name, () => make(name, what)),
    known: (name) => remembered.known(name),
    forget(name) {
      remembered.forget(name);
      if (deleted.size >= MOST) deleted.clear();
      deleted.add(name);
    },
  };
}
