import { GetQueueAttributesCommand, type SQSClient } from '@aws-sdk/client-sqs';
import {
  isPattern,
  MARKER,
  type Finding,
  type Subscription,
  type Topology,
  type Usage,
} from '@nest-messaging/core/contract';
import {
  delayName,
  queueName,
  queuePrefix,
  subscriptionNames,
  subscriptionQueue,
  topicName,
  topicsOf,
  type Owner,
} from './names.js';
import { admitting, type Queue, type Queues } from './queues.js';
import type { Topics } from './topics.js';

export interface ExaminationParts {
  readonly owner: Owner;
  readonly topology: Topology;
  readonly sqs: SQSClient;
  readonly queues: Queues;
  readonly topics: Topics;
}

const found = (level: Finding['level'], about: string, message: string): Finding => ({
  level,
  about,
  message,
});

const missing = ({ topology }: ExaminationParts, about: string): Finding =>
  topology === 'create'
    ? found('notice', about, 'is not there yet: the application makes it when it starts, or first needs it')
    : found('trouble', about, "does not exist: create it, or let the module do so with topology 'create'");

type Attributes = Partial<Record<string, string>>;

async function attributesOf({ sqs }: ExaminationParts, { url }: Queue): Promise<Attributes> {
  const { Attributes = {} } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['All'] }),
  );
  return Attributes;
}

/** Approximately: SQS counts no better. */
const waiting = ({ ApproximateNumberOfMessages = '0' }: Attributes): number =>
  Number(ApproximateNumberOfMessages);
const inHand = ({ ApproximateNumberOfMessagesNotVisible = '0' }: Attributes): number =>
  Number(ApproximateNumberOfMessagesNotVisible);

async function examineQueue(
  parts: ExaminationParts,
  name: string,
  judge: (attributes: Attributes) => Finding[] = () => [],
): Promise<Finding[]> {
  const about = `queue ${name}`;
  const queue = await parts.queues.find(name);
  if (!queue) return [missing(parts, about)];
  return [found('fine', about, 'is there'), ...judge(await attributesOf(parts, queue))];
}

async function examineTopic(parts: ExaminationParts, name: string): Promise<Finding> {
  const about = `topic ${name}`;
  const arn = await parts.topics.find(name);
  return arn === undefined ? missing(parts, about) : found('fine', about, 'is there');
}

/** What keeps a subscription's queue from getting its messages, or from ending with one that kills its process. */
const judgeSource =
  (owner: Owner, { source, ordered }: Subscription, about: string) =>
  (attributes: Attributes): Finding[] => [
    ...(source.kind === 'topic' &&
    admitting(attributes['Policy'], attributes['QueueArn']!, topicsOf(owner, source.name, ordered)) !==
      undefined
      ? [
          found(
            'trouble',
            about,
            'does not let its topics send to it: SNS drops their messages without a word; start once with topology create',
          ),
        ]
      : []),
    ...(!ordered && attributes['RedrivePolicy'] === undefined
      ? [
          found(
            'notice',
            about,
            'has no redrive policy: a message that kills its process comes again without end',
          ),
        ]
      : []),
    ...(waiting(attributes) > 0 && inHand(attributes) === 0
      ? [
          found(
            'notice',
            about,
            `nobody has any of its messages in hand; messages waiting: ${waiting(attributes)}`,
          ),
        ]
      : []),
  ];

async function examineSubscription(parts: ExaminationParts, subscription: Subscription): Promise<Finding[]> {
  const { owner } = parts;
  const { source, ordered } = subscription;
  const name = subscriptionQueue(owner, subscription);
  const { dead } = subscriptionNames(owner, subscription, ordered);
  return [
    ...(source.kind === 'topic' && !isPattern(source.name)
      ? [await examineTopic(parts, topicName(owner, source.name, ordered))]
      : []),
    ...(await examineQueue(parts, name, judgeSource(owner, subscription, `queue ${name}`))),
    ...(await examineQueue(parts, dead, (attributes) =>
      waiting(attributes) > 0
        ? [found('notice', `queue ${dead}`, `dead letters to be redriven or purged: ${waiting(attributes)}`)]
        : [],
    )),
  ];
}

/** What belongs to a subscription or a service, and what is one process's alone. */
const OWN = new RegExp(`${MARKER}(dead|delay|live-)`);

/** Queues that say of themselves that they are a subscription's, and which no handler here has. */
async function orphans(parts: ExaminationParts, planned: ReadonlySet<string>): Promise<Finding[]> {
  const { owner, queues } = parts;
  const findings: Finding[] = [];
  for (const queue of await queues.list(queuePrefix(owner))) {
    if (planned.has(queue.name) || OWN.test(queue.name)) continue;
    const { 'nest-messaging:service': service } = await queues.tags(queue);
    if (service !== owner.service) continue;
    const count = waiting(await attributesOf(parts, queue));
    findings.push(
      found(
        'notice',
        `queue ${queue.name}`,
        `service ${service} made it, and no handler here has it; messages waiting: ${count}. If it is nobody's, name its handler in the module's option retired, or delete it`,
      ),
    );
  }
  return findings;
}

export async function examine(
  parts: ExaminationParts,
  { subscriptions, publications, delays }: Usage,
): Promise<readonly Finding[]> {
  const { owner } = parts;
  const findings: Finding[] = [];
  const planned = new Set<string>();
  for (const subscription of subscriptions.filter(({ broadcast }) => !broadcast)) {
    planned.add(subscriptionQueue(owner, subscription));
    findings.push(...(await examineSubscription(parts, subscription)));
  }
  for (const { destination, ordered } of publications) {
    if (destination.kind === 'topic')
      findings.push(await examineTopic(parts, topicName(owner, destination.name, ordered)));
    else {
      const name = queueName(owner, destination.name, ordered);
      if (!planned.has(name)) findings.push(...(await examineQueue(parts, name)));
      planned.add(name);
    }
  }
  if (delays) findings.push(...(await examineQueue(parts, delayName(owner))));
  return [...findings, ...(await orphans(parts, planned))];
}
