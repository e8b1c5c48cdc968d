import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startProxy as startKafkaProxy } from '../../packages/kafka/test/proxy.js';
import { startProxy } from '../../packages/rabbitmq/test/proxy.js';
import { refuse, startStub } from '../../packages/aws/test/stub.js';
import { startKafka } from '../../scripts/brokers/kafka.mjs';
import { freePorts } from '../../scripts/brokers/ports.mjs';
import { startRabbitmq } from '../../scripts/brokers/rabbitmq.mjs';
import { awsEndpoint, awsRegion, removeNamespace as removeFromAws } from '../support/aws.js';
import { describeHere } from '../support/describe-here.js';
import { kafkaDrivers } from '../support/kafka.js';
import { createCanary } from './canary.js';
import type { BrokerConfig, Config } from './canary-application.js';

/** Nothing that an application says holds a secret: not a log line, not an error, not what an object shows of itself. */

const canary = createCanary();
const password = canary.at('password');
interface Site {
  /** With the right password, by a way that can be cut. */
  readonly broker: BrokerConfig;
  /** The password is wrong. */
  readonly wrong: BrokerConfig;
  /** Nothing is there. */
  readonly nowhere: BrokerConfig;
  readonly cut: () => void;
  readonly away: () => Promise<() => Promise<void>>;
  readonly remove: () => Promise<void>;
}

interface Tried {
  readonly name: string;
  readonly missing?: string | undefined;
  readonly start: (namespace: string) => Promise<Site>;
}

let kafka: Promise<{ readonly address: string; readonly remove: () => Promise<void> }> | undefined;

/** One for both drivers: its second listener asks for the password. */
async function startKafkaWithLogin(): Promise<Awaited<NonNullable<typeof kafka>>> {
  const [port] = (await freePorts(1)) as [number];
  const broker = await startKafka({
    detour: { port, advertised: port },
    config: [
      'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,DETOUR:SASL_PLAINTEXT',
      'listener.name.detour.sasl.enabled.mechanisms=PLAIN',
      `listener.name.detour.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_us="${password}";`,
    ].join('\n'),
  });
  return { address: `127.0.0.1:${port}`, remove: broker.remove };
}

afterAll(async () => (await kafka)?.remove(), 60_000);

const brokers: readonly Tried[] = [
  {
    name: 'RabbitMQ',
    // A user of its own, whose password is the secret: of a broker of its own.
    async start() {
      const broker = await startRabbitmq();
      await broker.control('add_user', 'us', password);
      await broker.control('set_permissions', 'us', '.*', '.*', '.*');
      const proxy = await startProxy(broker.url);
      const at = (host: string, user: string): BrokerConfig => ({
        name: 'rabbitmq',
        options: { url: `amqp://${user}:${password}@${host}` },
      });
      return {
        broker: at(new URL(proxy.url).host, 'us'),
        wrong: at(new URL(proxy.url).host, 'guest'),
        nowhere: at('127.0.0.1:1', 'us'),
        cut: proxy.cut,
        away: proxy.away,
        async remove() {
          await proxy.close();
          await broker.remove();
        },
      };
    },
  },
  ...kafkaDrivers.map(({ name: driver, missing }): Tried => ({
    name: `Kafka with ${driver}`,
    missing,
    async start() {
      const { address } = await (kafka ??= startKafkaWithLogin());
      const proxy = await startKafkaProxy(address);
      const at = (host: string, username: string): BrokerConfig => ({
        name: 'kafka',
        options: {
          brokers: [host],
          driver,
          partitions: 1,
          sasl: { mechanism: 'plain', username, password },
        },
      });
      return {
        broker: at(proxy.address, 'us'),
        wrong: at(proxy.address, 'them'),
        nowhere: at('127.0.0.1:1', 'us'),
        cut: proxy.cut,
        away: proxy.away,
        remove: proxy.close,
      };
    },
  })),
  {
    name: 'AWS',
    async start(namespace) {
      const proxy = await startProxy(awsEndpoint());
      // As AWS answers: with what should have been signed, the session's token included.
      const refusing = await startStub();
      refusing.onAll(() =>
        refuse(
          'SignatureDoesNotMatch',
          403,
          `The Canonical String should have been x-amz-security-token:${password}`,
        ),
      );
      const at = (endpoint: string): BrokerConfig => ({
        name: 'aws',
        options: {
          region: awsRegion,
          endpoint,
          visibilityTimeout: '6s',
          client: {
            credentials: {
              accessKeyId: 'us',
              secretAccessKey: `${password}-key`,
              sessionToken: `${password}-token`,
            },
          },
        },
      });
      return {
        broker: at(proxy.url),
        wrong: at(refusing.url),
        nowhere: at('http://127.0.0.1:1'),
        cut: proxy.cut,
        away: proxy.away,
        async remove() {
          await proxy.close();
          await refusing.close();
          await removeFromAws(namespace);
        },
      };
    },
  },
];

/** Those that `application.mjs` tries by itself. */
const URLS = 3;

const unusable: Config['unusable'] = [
  ['rabbitmq', { url: `http://us:${password}@host` }],
  ['rabbitmq', { url: `us:${password}@h` }],
  ['rabbitmq', { url: password }],
  ['rabbitmq', { url: `amqp://us:${password}@host`, queueTyp: password }],
  ['kafka', { brokers: [`kafka://us:${password}@host`] }],
  ['kafka', { brokers: ['host'], sasl: { mechanism: 'plain', username: '', password } }],
  ['aws', { endpoint: `ftp://us:${password}@host` }],
];

/** What an application says that is made to tell all it can; one that said nothing would keep every secret. */
const OF_A_LIFE = [
  'is retried',
  'is dead-lettered',
  'the handler threw object',
  'HandlerTimeoutError',
  'UndecodableError',
  'INVALID_PAYLOAD',
  'MESSAGE_TOO_LARGE',
  'INVALID_MESSAGE',
  'CLOSED',
  'a broker as JSON',
  'event published as JSON',
  'event dead-lettered as JSON',
  'span publish throws as JSON',
  'span process fails as JSON',
  'span dead-letter checked as JSON',
];
const missing = (said: string, texts: readonly string[]): string[] =>
  texts.filter((text) => !said.includes(text));

function running(namespace: string, children: Set<ChildProcess>) {
  /** Runs a part of the application's life to its end; answers all that it said. */
  return async (
    part: 'options' | 'start' | 'life',
    broker: BrokerConfig,
    site?: Pick<Site, 'cut' | 'away'>,
  ): Promise<string> => {
    const secrets = {
      password,
      header: canary.at('header'),
      payload: canary.at('payload'),
      field: canary.at('field'),
      key: canary.at('key'),
    };
    const config: Config = { namespace, broker, secrets, unusable };
    const child = spawn(
      process.execPath,
      [
        '--no-warnings=ExperimentalWarning',
        fileURLToPath(new URL('./application.mjs', import.meta.url)),
        part,
      ],
      { env: { ...process.env, NODE_OPTIONS: '', APPLICATION: JSON.stringify(config) } },
    );
    children.add(child);
    let said = '';
    let back: (() => Promise<void>) | undefined;
    child.stderr.on('data', (text) => (said += text));
    createInterface({ input: child.stdout }).on('line', async (line) => {
      said += `${line}\n`;
      if (!line.startsWith('asks: ')) return;
      if (line === 'asks: cut') site?.cut();
      else if (line === 'asks: away') back = await site?.away();
      else await back?.();
      child.stdin.write('done\n');
    });
    const [code] = await once(child, 'close');
    children.delete(child);
    if (code !== 0) throw new Error(`the application ended with ${code}: ${said.slice(-2_000)}`);
    return said;
  };
}

const listening = (title: string, lacks: string | undefined, start: Tried['start'] | undefined): void =>
  describeHere(title, lacks, () => {
    const children = new Set<ChildProcess>();
    const namespace = `canary${randomBytes(4).toString('hex')}`;
    const run = running(namespace, children);
    let site: Site | undefined;
    beforeAll(async () => {
      site = await start?.(namespace);
    }, 120_000);
    afterAll(async () => {
      for (const child of children) child.kill('SIGKILL');
      await site?.remove();
    }, 60_000);

    it('in a life with failures, poison, dead letters and a broker that goes away', async () => {
      const said = await run('life', site?.broker ?? { name: 'memory', options: {} }, site);
      expect(canary.foundIn(said)).toEqual([]);
      expect(missing(said, OF_A_LIFE)).toEqual([]);
      if (site) expect(said).toMatch(/code: '(OVERLOAD|PUBLISH_TIMEOUT)'/);
      expect(said.includes('not refused')).toBe(false);
    });

    if (!start) return;
    it('in what a wrong password and an absent broker are answered with', async () => {
      const both = [site!.wrong, site!.nowhere];
      for (const said of await Promise.all(both.map((broker) => run('start', broker)))) {
        expect(canary.foundIn(said)).toEqual([]);
        expect(missing(said, ["code: 'CONNECTION'"])).toEqual([]);
      }
    });
  });

for (const tried of brokers) listening(`No secret is told on ${tried.name}`, tried.missing, tried.start);
listening('No secret is told on memory', undefined, undefined);

it('No secret is told of options that cannot be used', async () => {
  const said = await running('canary', new Set())('options', { name: 'memory', options: {} });
  expect(canary.foundIn(said)).toEqual([]);
  expect(said.match(/code: 'CONFIGURATION'/g)!.length).toBeGreaterThanOrEqual(unusable.length + URLS);
  expect(said.includes('not refused')).toBe(false);
});
