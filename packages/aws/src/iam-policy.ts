import type { SubscriptionId, Topology } from '@nest-messaging/core/contract';
import {
  delayName,
  livePrefix,
  queueName,
  queuePrefix,
  subscriptionNames,
  subscriptionQueue,
  topicName,
  topicsOf,
  type Owner,
} from './names.js';

/** What an application does, as far as rights depend on it. */
export interface IamNeeds extends Owner {
  readonly topology: Topology;
  /** Events it publishes. */
  readonly publishes?: readonly string[];
  /** Queues it sends tasks to. */
  readonly enqueues?: readonly string[];
  /** Events, patterns and queues it handles, each in its group. */
  readonly handles?: readonly SubscriptionId[];
  /** Events that it broadcasts to each of its processes. */
  readonly broadcasts?: readonly SubscriptionId[];
  /** It publishes with delays. */
  readonly delays?: boolean;
  /** The bucket of `largePayloads`. */
  readonly bucket?: string;
  /** @default '*', any */
  readonly region?: string;
  /** @default '*', any */
  readonly account?: string;
  /** @default 'aws' */
  readonly partition?: string;
}

export interface IamStatement {
  readonly Sid: string;
  readonly Effect: 'Allow';
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
}

export interface IamPolicy {
  readonly Version: '2012-10-17';
  readonly Statement: readonly IamStatement[];
}

const RECEIVE = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility'];
const MAKE_QUEUE = ['sqs:CreateQueue', 'sqs:TagQueue', 'sqs:SetQueueAttributes', 'sqs:GetQueueAttributes'];
const ATTACH = ['sns:Subscribe', 'sns:ListSubscriptionsByTopic'];
/**
 * IAM knows no resources of these.
 * @see https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
 */
const SUBSCRIPTION = ['sns:GetSubscriptionAttributes', 'sns:SetSubscriptionAttributes'];

/** The least that an application of this module must be allowed. */
export function iamPolicy(needs: IamNeeds): IamPolicy {
  const { topology, publishes = [], enqueues = [], handles = [], broadcasts = [], delays = false } = needs;
  const { region = '*', account = '*', partition = 'aws' } = needs;
  const create = topology === 'create';
  const arn = (service: 'sns' | 'sqs') => (name: string) =>
    `arn:${partition}:${service}:${region}:${account}:${name}`;
  const [topics, queues] = [arn('sns'), arn('sqs')];
  // Whether an event or a queue has an order is said by its contract; one of the two exists.
  const both = (name: (ordered: boolean) => string): string[] => [name(false), name(true)];
  const Statement: IamStatement[] = [];
  const allow = (Sid: string, Action: readonly string[], Resource: readonly string[]): void => {
    if (Resource.length > 0)
      Statement.push({ Sid, Effect: 'Allow', Action, Resource: [...new Set(Resource)] });
  };

  allow(
    'Anywhere',
    [
      'sns:ListTopics',
      ...(create || broadcasts.length > 0 ? ['sqs:ListQueues', ...SUBSCRIPTION] : []),
      ...(broadcasts.length > 0 ? ['sns:Unsubscribe'] : []),
    ],
    ['*'],
  );
  const eventTopics = publishes
    .flatMap((event) => both((ordered) => topicName(needs, event, ordered)))
    .map(topics);
  allow(
    'Publish',
    ['sns:GetTopicAttributes', 'sns:Publish', ...(create ? ['sns:CreateTopic', 'sns:TagResource'] : [])],
    eventTopics,
  );
  if (create && publishes.length > 0) {
    allow('WelcomePatterns', ['sns:Subscribe'], eventTopics);
    allow(
      'WelcomePatternsQueues',
      ['sqs:ListQueueTags', 'sqs:GetQueueAttributes'],
      [queues(`${queuePrefix(needs)}*`)],
    );
  }
  allow(
    'Enqueue',
    ['sqs:GetQueueUrl', 'sqs:SendMessage', ...(create ? MAKE_QUEUE : [])],
    enqueues.flatMap((queue) => both((ordered) => queueName(needs, queue, ordered))).map(queues),
  );
  const sources = handles.flatMap((id) => both((ordered) => subscriptionQueue(needs, { ...id, ordered })));
  const letters = handles.map((id) => subscriptionNames(needs, id, false).dead);
  allow(
    'Handle',
    [
      'sqs:GetQueueUrl',
      'sqs:SendMessage',
      ...RECEIVE,
      ...(create ? MAKE_QUEUE : topology === 'validate' ? ['sqs:GetQueueAttributes'] : []),
    ],
    sources.map(queues),
  );
  allow(
    'DeadLetters',
    ['sqs:GetQueueUrl', 'sqs:SendMessage', ...RECEIVE, ...(create ? MAKE_QUEUE : ['sqs:GetQueueAttributes'])],
    letters.map(queues),
  );
  const handled = handles.filter(({ source }) => source.kind === 'topic');
  const topicsOfAll = (ids: readonly SubscriptionId[]): string[] =>
    ids.flatMap(({ source }) => topicsOf(needs, source.name, false)).map(topics);
  if (topology !== 'none')
    allow(
      'Subscribe',
      [
        'sns:GetTopicAttributes',
        ...(create ? ['sns:CreateTopic', 'sns:TagResource', ...ATTACH] : ['sns:ListSubscriptionsByTopic']),
      ],
      topicsOfAll(handled),
    );
  if (create && handled.length > 0)
    allow(
      'WelcomeOthers',
      ['sqs:ListQueueTags', 'sqs:GetQueueAttributes'],
      [queues(`${queuePrefix(needs)}*`)],
    );
  allow(
    'Broadcast',
    [...MAKE_QUEUE, 'sqs:ListQueueTags', 'sqs:DeleteQueue', ...RECEIVE],
    broadcasts.map((id) => queues(`${livePrefix(needs, id)}*`)),
  );
  allow(
    'BroadcastTopics',
    ['sns:GetTopicAttributes', ...(create ? ['sns:CreateTopic', 'sns:TagResource'] : []), ...ATTACH],
    topicsOfAll(broadcasts),
  );
  // Each application looks whether something of its service waits there.
  allow(
    'Delays',
    ['sqs:GetQueueUrl', ...(delays ? ['sqs:SendMessage', ...RECEIVE, ...(create ? MAKE_QUEUE : [])] : [])],
    [queues(delayName(needs))],
  );
  const { bucket } = needs;
  if (bucket !== undefined) {
    const objects = `arn:${partition}:s3:::${bucket}/*`;
    if (publishes.length + enqueues.length > 0) allow('StorePayloads', ['s3:PutObject'], [objects]);
    if (handles.length + broadcasts.length > 0) {
      allow('LoadPayloads', ['s3:GetObject'], [objects]);
      // Without it S3 says of an object that does not exist that it is forbidden.
      allow('MissPayloads', ['s3:ListBucket'], [`arn:${partition}:s3:::${bucket}`]);
    }
  }
  return { Version: '2012-10-17', Statement };
}
