/** What `application.mjs` is told. */
export interface Config {
  readonly namespace: string;
  readonly broker: BrokerConfig;
  readonly secrets: Readonly<Record<'password' | 'header' | 'payload' | 'field' | 'key', string>>;
  /** Options that are refused, by the factory that they are given to. */
  readonly unusable: readonly (readonly [factory: 'aws' | 'kafka' | 'rabbitmq', options: object])[];
}

export interface BrokerConfig {
  readonly name: 'aws' | 'kafka' | 'rabbitmq' | 'memory';
  readonly options: object;
}
