import type { BrokerName } from './contestants/index.js';
import type { Metric } from './metrics.js';

/** What the module wants to be, as a ratio: ours over theirs. */
export interface Goal {
  readonly broker: BrokerName;
  /** A contestant's name, or several: then the one that does best. */
  readonly against: string | readonly string[];
  readonly metric: Metric;
  /** At least, where more is better; at most, where less is. */
  readonly ratio: number;
  /** Bytes. @default every size */
  readonly size?: number;
  /** Which of ours. @default the one that the peer stands beside */
  readonly ours?: string;
}

const against = (
  broker: BrokerName,
  peer: string,
  ratios: Partial<Record<Metric, number>>,
  more: Pick<Goal, 'size' | 'ours'> = {},
): Goal[] =>
  Object.entries(ratios).map(([metric, ratio]) => ({
    broker,
    against: peer,
    metric: metric as Metric,
    ratio,
    ...more,
  }));

/** So much processor time, at most, where a bare client takes one. */
const FRUGAL = 1.15;

/** Over the bare client that takes the least. */
const frugal = (broker: BrokerName, bare: readonly string[], ours?: string): Goal[] =>
  (['publishCpu', 'consumeCpu', 'endToEndCpu'] as const).map((metric) => ({
    broker,
    against: bare,
    metric,
    ratio: FRUGAL,
    ...(ours !== undefined && { ours }),
  }));

const BARE_KAFKA = ['kafkajs, one a send', 'kafkajs, batches of 500', '@platformatic/kafka, gathered'];

export const GOALS: readonly Goal[] = [
  ...against('memory', 'JSON round trip', { endToEnd: 0.5, endToEndCpu: FRUGAL }),

  ...against('rabbitmq', 'amqplib', { publish: 1, consume: 1.25, endToEnd: 1, awaitedP50: 1.1 }),
  ...against('rabbitmq', '@nestjs/microservices', { consume: 2, endToEnd: 1.8, awaitedP50: 0.3 }),
  ...against('rabbitmq', '@golevelup/nestjs-rabbitmq', { publish: 1, consume: 1.3, endToEnd: 1.2 }),
  ...frugal('rabbitmq', ['amqplib', 'rabbitmq-client']),

  ...against('kafka', 'kafkajs, one a send', { publish: 7 }, { size: 200 }),
  ...against('kafka', 'kafkajs, one a send', { publish: 2.5 }, { size: 4_096 }),
  ...against('kafka', 'kafkajs, batches of 500', { publish: 0.95 }),
  ...against('kafka', 'kafkajs, one a send', { consume: 1.15 }),
  ...against('kafka', '@platformatic/kafka, gathered', { publish: 0.95, consume: 0.95 }),
  ...against('kafka', '@nestjs/microservices', { publish: 10, consume: 4, endToEnd: 5 }),
  ...frugal('kafka', BARE_KAFKA, 'nest-messaging (kafkajs)'),
  ...frugal('kafka', BARE_KAFKA, 'nest-messaging (platformatic)'),

  ...against('aws', 'AWS SDK, one by one', { publish: 4, consume: 2 }),
  ...against('aws', '@ssut/nestjs-sqs', { publish: 4, consume: 2 }),
  ...against('aws', 'AWS SDK, batches of ten', { publish: 0.95, consume: 0.95 }),
  ...frugal('aws', ['AWS SDK, one by one', 'AWS SDK, batches of ten']),
];
