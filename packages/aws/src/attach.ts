import {
  GetSubscriptionAttributesCommand,
  ListSubscriptionsByTopicCommand,
  SetSubscriptionAttributesCommand,
  SubscribeCommand,
  UnsubscribeCommand,
  type SNSClient,
} from '@aws-sdk/client-sns';
import { TopologyError, type Topology } from '@nest-messaging/core/contract';
import { isRetryable, missing, topologyError } from './errors.js';
import { lastName } from './names.js';
import type { AwsHandlerOptions } from './options.js';

export interface AttachOptions extends AwsHandlerOptions {
  /**
   * As they were published; otherwise in SNS's envelope, which alone names the topic: under a pattern that is of
   * interest, and strangers do not say it themselves.
   */
  readonly raw: boolean;
  /** Called before a filter policy is taken away that the handler no longer has. */
  readonly unfiltered?: () => Promise<void>;
}

/** SNS compares only what is given with what there is, and refuses a difference. */
const DIFFERS = /already exists with different attributes/i;

/**
 * Has a topic's messages delivered to a queue; answers the subscription's ARN. One that exists is brought up to date, so
 * that a changed filter policy never keeps an application from starting.
 * @param known the ARN of a subscription that stays as it is: another release of its application may have changed it
 */
export async function attach(
  sns: SNSClient,
  topology: Topology,
  topic: string,
  queue: string,
  options: AttachOptions,
  known?: string,
): Promise<string> {
  const what = `subscription of queue '${lastName(queue)}' to topic '${lastName(topic)}'`;
  try {
    if (topology !== 'create') {
      const found = await find(sns, topic, queue);
      if (!found) throw missing(what);
      return found;
    }
    const Attributes = attributesOf(options);
    const arn = await subscribe(sns, topic, queue, Attributes);
    if (arn !== known) await update(sns, arn, Attributes, options.unfiltered);
    return arn;
  } catch (error) {
    if (isRetryable(error) || error instanceof TopologyError) throw error;
    throw topologyError(what, 'sns:Subscribe', error);
  }
}

/** Has a topic's messages delivered to a queue, whose subscription, if there is one, stays as it is. */
export async function join(
  sns: SNSClient,
  topic: string,
  queue: string,
  options: AttachOptions,
): Promise<void> {
  await subscribe(sns, topic, queue, attributesOf(options));
}

export async function detach(sns: SNSClient, subscription: string): Promise<void> {
  await sns.send(new UnsubscribeCommand({ SubscriptionArn: subscription }));
}

/** Among them, a filter policy needs its scope first. */
function attributesOf({ filterPolicy, filterPolicyScope, raw }: AttachOptions): Record<string, string> {
  return {
    RawMessageDelivery: `${raw}`,
    ...(filterPolicy && {
      FilterPolicyScope: filterPolicyScope ?? 'MessageAttributes',
      FilterPolicy: JSON.stringify(filterPolicy),
    }),
  };
}

async function subscribe(
  sns: SNSClient,
  topic: string,
  queue: string,
  Attributes: Record<string, string>,
): Promise<string> {
  try {
    const { SubscriptionArn } = await sns.send(
      new SubscribeCommand({
        TopicArn: topic,
        Protocol: 'sqs',
        Endpoint: queue,
        Attributes,
        ReturnSubscriptionArn: true,
      }),
    );
    return SubscriptionArn!;
  } catch (error) {
    const found = DIFFERS.test((error as Error).message) && (await find(sns, topic, queue));
    if (!found) throw error;
    return found;
  }
}

async function update(
  sns: SNSClient,
  SubscriptionArn: string,
  wanted: Record<string, string>,
  unfiltered: AttachOptions['unfiltered'],
): Promise<void> {
  const { Attributes: now = {} } = await sns.send(new GetSubscriptionAttributesCommand({ SubscriptionArn }));
  // A filter policy that the handler no longer has: an empty one lets everything through.
  const unwanted = !wanted['FilterPolicy'] && now['FilterPolicy'] && now['FilterPolicy'] !== '{}';
  if (unwanted) await unfiltered?.();
  for (const [AttributeName, AttributeValue] of Object.entries({
    ...wanted,
    ...(unwanted && { FilterPolicy: '{}' }),
  }))
    if (now[AttributeName] !== AttributeValue)
      await sns.send(
        new SetSubscriptionAttributesCommand({ SubscriptionArn, AttributeName, AttributeValue }),
      );
}

/** The ARN of the subscription of a queue to a topic, both by their ARNs. */
export async function find(sns: SNSClient, topic: string, queue: string): Promise<string | undefined> {
  let NextToken: string | undefined;
  do {
    const page = await sns.send(new ListSubscriptionsByTopicCommand({ TopicArn: topic, NextToken }));
    const found = page.Subscriptions?.find(({ Endpoint }) => Endpoint === queue);
    if (found) return found.SubscriptionArn;
    NextToken = page.NextToken;
  } while (NextToken);
  return undefined;
}
