import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe } from '@jest/globals';
import { kafkaBrokers } from '../../../../test/support/kafka.js';
import { DriverError } from '../../src/driver/driver-error.js';
import type {
  Client,
  Driver,
  DriverOptions,
  Fetched,
  NewRecord,
  NewTopic,
  OpenDriver,
  Position,
  StoredRecord,
} from '../../src/driver/driver.js';
import type { Compression } from '../../src/options.js';
import { sendingProducer, type SendingProducer } from './sending-producer.js';
import { askBroker } from './foreign.js';
import { startProxy, type Guard, type Proxy } from './proxy.js';

interface Candidate {
  readonly name: string;
  readonly open: () => Promise<OpenDriver>;
  /** Why it cannot run here. */
  readonly missing?: string;
}

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const forPlatformatic = major > 24 || (major === 24 && minor >= 6) || (major === 22 && minor >= 22);

const candidates: readonly Candidate[] = [
  { name: 'kafkajs', open: async () => (await import('../../src/driver/kafkajs.js')).open },
  {
    name: '@platformatic/kafka',
    open: async () => (await import('../../src/driver/platformatic.js')).open,
    ...(!forPlatformatic && { missing: 'it needs Node 22.22 or 24.6' }),
  },
];

/** Describes every driver by the same tests. */
export function onEachDriver(title: string, define: (stage: () => Stage) => void): void {
  for (const { name, open, missing } of candidates) {
    const name_ = missing ? `${title}, on ${name}: not here, as ${missing}` : `${title}, on ${name}`;
    (missing ? describe.skip : describe)(name_, () => define(useStage(open)));
  }
}

export interface Stage {
  /** A word that no other test has, to begin the names of topics and groups with. */
  readonly mark: string;
  open(options?: Partial<DriverOptions>): Promise<Driver>;
  client(options?: Partial<DriverOptions>): Promise<Client>;
  producer(options?: Partial<DriverOptions & { compression: Compression }>): Promise<SendingProducer>;
  /** Creates one, with a name of its own. */
  topic(topic?: Partial<NewTopic>): Promise<string>;
  /** Deletes one before the test's end. */
  drop(topic: string): Promise<void>;
  /** Everything from there on, until there are so many. */
  read(topic: string, count: number, from?: number): Promise<StoredRecord[]>;
  /** Runs when the test has ended, latest first. */
  after(clean: () => unknown): void;
}

function useStage(load: () => Promise<OpenDriver>): () => Stage {
  let stage: { readonly stage: Stage; readonly clean: () => Promise<void> } | undefined;
  afterEach(async () => {
    await stage?.clean();
    stage = undefined;
  });
  return () => (stage ??= makeStage(load)).stage;
}

function makeStage(load: () => Promise<OpenDriver>): { stage: Stage; clean: () => Promise<void> } {
  const mark = `driver-${randomBytes(5).toString('hex')}`;
  const cleaning: (() => unknown)[] = [];
  const names: string[] = [];
  let helper: Promise<Client> | undefined;

  const stage: Stage = {
    mark,
    open: async (options) => (await load())({ ...plainOptions(), ...options }),
    async client(options) {
      const client = (await stage.open(options)).client();
      cleaning.push(() => client.close());
      return client;
    },
    async producer({ compression = 'none', ...options } = {}) {
      const client = (await stage.open(options)).client();
      const producer = sendingProducer(client, compression);
      cleaning.push(() => producer.close());
      return producer;
    },
    async topic(more) {
      const topic = { name: `${mark}-${names.length + 1}`, partitions: 1, replicas: 1, config: {}, ...more };
      names.push(topic.name);
      const [error] = await (await (helper ??= stage.client())).createTopics([topic]);
      if (error) throw error;
      return topic.name;
    },
    async drop(topic) {
      names.splice(names.indexOf(topic), 1);
      await askBroker((broker) => broker.deleteTopics({ topics: [topic] }));
    },
    async read(topic, count, from = 0) {
      return readAll(await (helper ??= stage.client()), topic, count, from);
    },
    after: (clean) => cleaning.push(clean),
  };
  return {
    stage,
    async clean() {
      for (const clean of cleaning.toReversed()) await clean();
      if (names.length > 0) await askBroker((broker) => broker.deleteTopics({ topics: names }));
    },
  };
}

export function plainOptions(): DriverOptions {
  return {
    brokers: kafkaBrokers().split(','),
    clientId: 'driver-test',
    connectTimeout: 5_000,
    requestTimeout: 10_000,
    vendor: {},
    onDisconnect: () => {},
  };
}

const limits = { maxWait: 500, maxBytes: 10_000_000, maxBytesPerPartition: 1_000_000 };

/** Everything from there on, until there are so many. */
export async function readAll(
  client: Client,
  topic: string,
  count: number,
  from = 0,
): Promise<StoredRecord[]> {
  const leading = await eventually(async () => (await client.leaders([topic])).get(topic) ?? []);
  const records: StoredRecord[] = [];
  const next = leading.map(() => from);
  const nodes = new Set(leading);
  await until(
    async () => {
      for (const node of nodes) {
        const led = [...leading.keys()].filter((partition) => leading[partition] === node);
        const positions = led.map((partition) => ({ topic, partition, offset: next[partition]! }));
        for (const fetched of await client.fetch(node, positions, limits)) {
          if (fetched.error) throw fetched.error;
          records.push(...fetched.records);
          next[fetched.partition] = fetched.next;
        }
      }
      return records.length >= count;
    },
    () => `${count} records in ${topic}, and not ${records.length}`,
  );
  return records;
}

/** A proxy in front of the broker, gone in the end. */
export async function proxied(stage: Stage, guard?: Guard): Promise<Proxy> {
  const proxy = await startProxy(kafkaBrokers().split(',')[0]!, guard);
  stage.after(() => proxy.close());
  return proxy;
}

/** Fetches once, of the one broker that leads them all. */
export async function fetchOnce(
  client: Client,
  positions: readonly Position[],
  more?: Partial<typeof limits>,
): Promise<readonly Fetched[]> {
  const leaders = await client.leaders([...new Set(positions.map(({ topic }) => topic))]);
  const node = leaders.get(positions[0]!.topic)![positions[0]!.partition]!;
  return client.fetch(node, positions, { ...limits, ...more });
}

/** @param record as far as it matters */
export function record(record: Partial<NewRecord> & { readonly topic: string }): NewRecord {
  return { key: null, value: null, headers: [], ...record };
}

/** Asks again while the answer is one that another time may be better, as the transport does. */
export async function eventually<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (const end = Date.now() + 20_000; ;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof DriverError && error.retryable) || Date.now() > end) throw error;
      await wait(50);
    }
  }
}

/** Asks until it is so. */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  what: string | (() => string),
  within = 20_000,
): Promise<void> {
  for (const end = Date.now() + within; !(await isSo()); await wait(20)) {
    if (Date.now() > end) throw new Error(`Waited in vain for ${typeof what === 'string' ? what : what()}.`);
  }
}

/** The error that it rejects with; an error of the test if it does not. */
export async function failure(promise: Promise<unknown>): Promise<DriverError> {
  const outcome = await promise.then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error }),
  );
  if (!('error' in outcome))
    throw new Error(`It did not fail, but answered ${JSON.stringify(outcome.answer)}`);
  if (!(outcome.error instanceof DriverError)) throw new Error('Not a DriverError', { cause: outcome.error });
  return outcome.error;
}
