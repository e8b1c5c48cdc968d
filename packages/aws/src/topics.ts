import { CreateTopicCommand, ListTopicsCommand, type SNSClient } from '@aws-sdk/client-sns';
import type { Topology } from '@nest-messaging/core/contract';
import { isRetryable, missing, topologyError } from './errors.js';
import { isFifo, lastName } from './names.js';

/** SNS topics by name. Account and region are in what the service answers, never typed by hand. */
export interface Topics {
  /**
   * The ARN of a topic that exists: made where the module may, otherwise found.
   * @throws {TopologyError} if it is missing, or may not be made
   */
  ensure(name: string): Promise<string>;
  /** ARNs of all there are. */
  list(): Promise<string[]>;
  /** Someone deleted it. */
  forget(name: string): void;
}

/** What is remembered of topics that publishers choose is bounded. */
const MOST = 10_000;

export function createTopics(sns: SNSClient, topology: Topology): Topics {
  const known = new Map<string, Promise<string>>();

  const list = async (): Promise<string[]> => {
    const arns: string[] = [];
    let NextToken: string | undefined;
    do {
      const page = await sns.send(new ListTopicsCommand({ NextToken }));
      for (const { TopicArn } of page.Topics ?? []) if (TopicArn) arns.push(TopicArn);
      NextToken = page.NextToken;
    } while (NextToken);
    return arns;
  };

  const make = async (name: string): Promise<string> => {
    const what = `topic '${name}'`;
    if (topology !== 'create') {
      const found = (await list()).find((arn) => lastName(arn) === name);
      if (!found) throw missing(what);
      return found;
    }
    try {
      // Answers the ARN of one that exists, too.
      const Attributes = isFifo(name)
        ? { FifoTopic: 'true', FifoThroughputScope: 'MessageGroup' }
        : undefined;
      const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: name, Attributes }));
      return TopicArn!;
    } catch (error) {
      throw isRetryable(error) ? error : topologyError(what, 'sns:CreateTopic', error);
    }
  };

  return {
    list,
    ensure(name) {
      let arn = known.get(name);
      if (!arn) {
        arn = make(name);
        arn.catch(() => known.delete(name));
        if (known.size >= MOST) known.clear();
        known.set(name, arn);
      }
      return arn;
    },
    forget: (name) => void known.delete(name),
  };
}
