import {
  GetSubscriptionAttributesCommand,
  ListSubscriptionsByTopicCommand,
  SetSubscriptionAttributesCommand,
  SubscribeCommand,
  UnsubscribeCommand,
  type SNSClient,
} from '@aws-sdk/client-sns';
import type { Topology } from '@nest-messaging/core/contract';
import { isRetryable, missing, topologyError } from './errors.js';
import { lastName } from './names.js';
import type { AwsHandlerOptions } from './options.js';

/** Has a topic's messages delivered to a queue as they were published; answers the subscription's ARN. */
export async function attach(
  sns: SNSClient,
  topology: Topology,
  topic: string,
  queue: string,
  { filterPolicy, filterPolicyScope }: AwsHandlerOptions,
): Promise<string> {
  const what = `subscription of queue '${lastName(queue)}' to topic '${lastName(topic)}'`;
  try {
    if (topology !== 'create') {
      const found = await subscriptionOf(sns, topic, queue);
      if (!found) throw missing(what);
      return found;
    }
    // Without attributes, which one that exists would have to have all the same.
    const { SubscriptionArn } = await sns.send(
      new SubscribeCommand({
        TopicArn: topic,
        Protocol: 'sqs',
        Endpoint: queue,
        ReturnSubscriptionArn: true,
      }),
    );
    const { Attributes = {} } = await sns.send(new GetSubscriptionAttributesCommand({ SubscriptionArn }));
    const wanted: [name: string, value: string, now: string | undefined][] = [
      ['RawMessageDelivery', 'true', Attributes['RawMessageDelivery']],
    ];
    if (filterPolicy) {
      wanted.push([
        'FilterPolicyScope',
        filterPolicyScope ?? 'MessageAttributes',
        Attributes['FilterPolicyScope'],
      ]);
      wanted.push(['FilterPolicy', JSON.stringify(filterPolicy), Attributes['FilterPolicy']]);
    } else if (Attributes['FilterPolicy'] && Attributes['FilterPolicy'] !== '{}')
      wanted.push(['FilterPolicy', '{}', Attributes['FilterPolicy']]);
    for (const [AttributeName, AttributeValue, now] of wanted)
      if (now !== AttributeValue)
        await sns.send(
          new SetSubscriptionAttributesCommand({ SubscriptionArn, AttributeName, AttributeValue }),
        );
    return SubscriptionArn!;
  } catch (error) {
    if (isRetryable(error) || (error as { code?: string }).code === 'TOPOLOGY') throw error;
    throw topologyError(what, 'sns:Subscribe', error);
  }
}

export async function detach(sns: SNSClient, subscription: string): Promise<void> {
  await sns.send(new UnsubscribeCommand({ SubscriptionArn: subscription }));
}

async function subscriptionOf(sns: SNSClient, topic: string, queue: string): Promise<string | undefined> {
  let NextToken: string | undefined;
  do {
    const page = await sns.send(new ListSubscriptionsByTopicCommand({ TopicArn: topic, NextToken }));
    const found = page.Subscriptions?.find(({ Endpoint }) => Endpoint === queue);
    if (found) return found.SubscriptionArn;
    NextToken = page.NextToken;
  } while (NextToken);
  return undefined;
}
