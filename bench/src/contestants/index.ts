/** Who is measured on which broker: a file each, below the broker's name. Ours come first. */
export const CONTESTANTS = {
  memory: ['ours', 'event-emitter', 'nest-event-emitter', 'nest-cqrs', 'json'],
  rabbitmq: [
    'ours',
    'amqplib',
    'amqplib-cloud-events',
    'rabbitmq-client-equal',
    'nest-equal',
    'golevelup-equal',
    'amqplib-defaults',
    'rabbitmq-client-defaults',
    'nest-defaults',
    'golevelup-defaults',
  ],
  kafka: [
    'ours-kafkajs',
    'ours-platformatic',
    'kafkajs-single',
    'kafkajs-batches',
    'platformatic',
    'platformatic-cloud-events',
    'nest-equal',
    'kafkajs-defaults',
    'platformatic-defaults',
    'nest-defaults',
  ],
  aws: [
    'ours',
    'sdk-single',
    'sdk-batches',
    'sqs-consumer-equal',
    'sqs-consumer-batches',
    'ssut-equal',
    'ssut-batches',
    'sqs-consumer-defaults',
    'ssut-defaults',
  ],
} as const satisfies Record<string, readonly string[]>;

/** Of whom it is also told where their processor time goes: ours, and the bare clients that they stand beside. */
export const PROFILED = {
  memory: ['ours', 'json'],
  rabbitmq: ['ours', 'amqplib', 'amqplib-cloud-events'],
  kafka: [
    'ours-kafkajs',
    'kafkajs-batches',
    'ours-platformatic',
    'platformatic',
    'platformatic-cloud-events',
  ],
  aws: ['ours', 'sdk-batches'],
} as const satisfies { readonly [Broker in BrokerName]: readonly (typeof CONTESTANTS)[Broker][number][] };

export type BrokerName = keyof typeof CONTESTANTS;
export const BROKERS = Object.keys(CONTESTANTS) as BrokerName[];
