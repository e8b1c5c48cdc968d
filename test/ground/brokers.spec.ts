import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { connect } from 'amqplib';
import * as awss from '../../scripts/brokers/aws.mjs';
import { instance, provide, withoutCredentials } from '../../scripts/brokers/broker.mjs';
import type { Broker, Way } from '../../scripts/brokers/broker.mjs';
import { brokers } from '../../scripts/brokers/index.mjs';
import * as kafkas from '../../scripts/brokers/kafka.mjs';
import * as rabbitmqs from '../../scripts/brokers/rabbitmq.mjs';
import { release, up } from '../../scripts/brokers/shared.mjs';
import { readState } from '../../scripts/brokers/state.mjs';
import { isRunning } from '../../scripts/brokers/processes.mjs';
import { until } from '../../scripts/brokers/until.mjs';
import { awsCredentials, awsRegion } from '../support/aws.js';

const { aws } = awss;
const { kafka } = kafkas;
const { rabbitmq } = rabbitmqs;

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Brokers of this file's own, so that those which other tests use are left alone. */
const directory = mkdtempSync(join(tmpdir(), 'brokers-'));
process.env.BROKERS_DIRECTORY = directory;
for (const { variable } of brokers) delete process.env[variable];

const state = ({ name }: Broker) => readState(join(directory, name));

/** Of each broker, what its address looks like. */
const addresses = new Map([
  [rabbitmq, /^amqp:\/\/127\.0\.0\.1:\d+$/],
  [kafka, /^127\.0\.0\.1:\d+$/],
  [aws, /^http:\/\/127\.0\.0\.1:\d+\/$/],
]);

const each = brokers.map((broker) => ({ broker, name: broker.name, variable: broker.variable }));

function command(args: string[], variables: NodeJS.ProcessEnv = {}) {
  return node(['scripts/brokers.mjs', ...args], variables);
}

function node(args: string[], variables: NodeJS.ProcessEnv = {}) {
  return new Promise<{ code: number; output: string }>((resolve) => {
    execFile(
      process.execPath,
      args,
      { cwd: root, env: { ...process.env, ...variables } },
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr });
      },
    );
  });
}

function refuses(port: number) {
  return new Promise<boolean>((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(false)).once('error', () => resolve(true));
    socket.once('connect', () => socket.destroy());
  });
}

/** All on which the broker listens: for its clients, and for itself. */
function ports(broker: Broker) {
  const { url, ports: others = {} } = state(broker)!;
  return [Number(/\d+$/.exec(url)![0]), ...Object.values<number>(others)];
}

describe('npm run brokers', () => {
  const ups: Array<{ code: number; output: string }> = [];

  beforeAll(async () => {
    ups.push(...(await Promise.all([command(['up']), ...brokers.map(({ name }) => command(['up', name]))])));
  }, 300_000);

  afterAll(() => command(['down']), 60_000);

  it.each(each)('starts one $name, however often it is told to, and says which', ({ broker, name }) => {
    expect(ups.map(({ code }) => code)).toEqual(ups.map(() => 0));
    const lines = ups.flatMap(({ output }) => output.split('\n'));
    const started = lines.flatMap(
      (line) => new RegExp(`^${name}: up at (.+) \\(.+\\)\\.$`).exec(line)?.[1] ?? [],
    );
    expect(started).toEqual([expect.stringMatching(addresses.get(broker)!)]);
    expect(lines.filter((line) => line.startsWith(`${name}: already up at ${started[0]} (`))).toHaveLength(1);
  });

  it('tells its state to people without credentials, and its address to programs', async () => {
    const status = await command(['status']);
    const lines = brokers.map(
      (broker) => `${broker.name}: up at ${withoutCredentials(state(broker)!.url)} (`,
    );
    expect(status).toEqual({
      code: 0,
      output: expect.stringMatching(new RegExp(lines.map(escape).join('.+\n'))),
    });
    const env = brokers.map((broker) => `${broker.variable}=${state(broker)!.url}\n`).join('');
    expect(await command(['env'])).toEqual({ code: 0, output: env });
    for (const { output } of [...ups, status]) expect(output).not.toContain('guest');
  });

  it.each(each)('$name listens on loopback alone', ({ broker }) => {
    // Only Linux tells every program's listeners in a file.
    if (!existsSync('/proc/net/tcp')) return;
    const own = ports(broker);
    const listeners = ['/proc/net/tcp', '/proc/net/tcp6']
      .flatMap((file) => readFileSync(file, 'utf8').trim().split('\n').slice(1))
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , status]) => status === '0A')
      .map(([, local]) => local!.split(':'))
      .filter(([, port]) => own.includes(Number.parseInt(port!, 16)));
    expect(listeners.length).toBeGreaterThanOrEqual(own.length);
    // 127.0.0.1, ::1, and 127.0.0.1 on a socket for both.
    const loopback = ['0100007F', '00000000000000000000000001000000', '0000000000000000FFFF00000100007F'];
    expect(listeners.filter(([address]) => !loopback.includes(address!))).toEqual([]);
  });

  it('keeps queues and messages, address and port of RabbitMQ over a kill and a restart', async () => {
    const { url } = state(rabbitmq)!;
    const before = await connect(url);
    // The kill below ends this connection with an error.
    before.on('error', () => {});
    const channel = await before.createConfirmChannel();
    channel.on('error', () => {});
    await channel.assertQueue('kept', { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    channel.sendToQueue('kept', Buffer.from('still here'), { persistent: true });
    await channel.waitForConfirms();

    await rabbitmqs.quorumQueuesWritten(state(rabbitmq)!, ['kept']);
    await rabbitmqs.kill();
    await isDown(rabbitmq);
    await rabbitmqs.restart();

    const after = await connect(url);
    try {
      const reader = await after.createChannel();
      const received = await new Promise((resolve, reject) => {
        reader.consume('kept', (message) => resolve(String(message?.content))).catch(reject);
      });
      expect(received).toBe('still here');
    } finally {
      await after.close();
    }
  }, 180_000);

  it('keeps topics and messages, address and port of Kafka over a kill and a restart', async () => {
    const { url } = state(kafka)!;
    const { control, controlWith } = instance(kafka, state(kafka)!);
    await control('kafka-topics', '--create', '--topic', 'kept');
    await controlWith('still here\n', 'kafka-console-producer', '--topic', 'kept');

    await kafkas.kill();
    await isDown(kafka);
    await kafkas.restart();

    expect(state(kafka)!.url).toBe(url);
    const reading = ['--topic', 'kept', '--from-beginning', '--max-messages', '1'];
    expect(await control('kafka-console-consumer', ...reading)).toContain('still here');
  }, 180_000);

  it('keeps queues and messages, address and port of AWS over a kill and a restart', async () => {
    const { url } = state(aws)!;
    const sqs = new SQSClient({ endpoint: url, region: awsRegion, credentials: awsCredentials });
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'kept' }));
    expect(QueueUrl).toMatch(new RegExp(`^${escape(url)}/\\d{12}/kept$`));
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'still here 🙂' }));
    const { Messages: taken } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
    const [{ ReceiptHandle }] = taken as [Message];

    await awss.kill();
    await isDown(aws);
    await awss.restart();

    // Given back under the receipt from before, which is one more thing that it must not forget.
    await sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }));
    const { Messages: kept } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
    expect(kept).toMatchObject([{ Body: 'still here 🙂' }]);
    sqs.destroy();
  }, 60_000);

  it('has a second emulator of AWS, which another process must ask for', async () => {
    // Not installed just to be looked at: the first way is refused before the second is looked for.
    const other = await command(['up', 'aws'], {
      AWS_EMULATOR: 'neither',
      BROKERS_DIRECTORY: join(directory, 'elsewhere'),
    });
    expect(other).toEqual({
      code: 1,
      output: expect.stringMatching(
        /fauxqs: AWS_EMULATOR would have to be fauxqs\n.*moto: AWS_EMULATOR would have to be moto\n/,
      ),
    });
  });

  it("names the tools of Kafka's that it knows where it is asked for another", async () => {
    const { control } = instance(kafka, state(kafka)!);
    await expect(control('kafka-topic', '--list')).rejects.toThrow(
      /"kafka-topic" is none of the broker's tools known here: .*kafka-topics/,
    );
  });

  async function isDown({ name, variable }: Broker) {
    const lines = (await command(['status'])).output.split('\n');
    expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^${name}: not serving at`)));
    expect((await command(['env'])).output).not.toContain(variable);
  }

  it.each(each)(
    'uses a $name that is given, and does not stop what is there',
    async ({ broker, name, variable }) => {
      const { url } = state(broker)!;
      const elsewhere = { [variable]: url, BROKERS_DIRECTORY: join(directory, 'elsewhere') };
      const given = { code: 0, output: expect.stringContaining(`given in ${variable}`) };
      expect(await command(['up', name], elsewhere)).toEqual(given);
      expect(await command(['status', name], elsewhere)).toEqual(given);
      expect(await command(['env', name], elsewhere)).toEqual({ code: 0, output: `${variable}=${url}\n` });
      expect(await command(['down', name], elsewhere)).toEqual({
        code: 0,
        output: expect.stringContaining('not ours to stop'),
      });
      expect(await broker.probe(url)).toBeUndefined();
    },
  );

  it.each([
    [
      'rabbitmq',
      'amqp://someone:secret@127.0.0.1:1/shop',
      'amqp://127.0.0.1:1/shop',
      'connecting failed (ECONNREFUSED)',
    ],
    ['kafka', '127.0.0.1:1,localhost:1', '127.0.0.1:1,localhost:1', 'connecting failed (ECONNREFUSED)'],
    [
      'kafka',
      'someone:secret@127.0.0.1:1',
      'an address that is no URL',
      'it is not an address like host:9092,host:9092',
    ],
    ['aws', 'http://someone:secret@127.0.0.1:1', 'http://127.0.0.1:1/', 'connecting failed (ECONNREFUSED)'],
    [
      'aws',
      'someone:secret@127.0.0.1:1',
      'an address that is no URL',
      'it is not an address like http://host:4566',
    ],
  ])('fails where no %s answers at %s, without repeating its password', async (name, url, shown, problem) => {
    const { variable } = brokers.find((broker) => broker.name === name)!;
    const { code, output } = await command(['up', name], { [variable]: url });
    expect(code).toBe(1);
    expect(output).toContain(`${variable} is given as ${shown}, but ${problem}`);
    expect(output).not.toContain('secret');
  });

  it('takes a list of Kafka brokers of which one serves', async () => {
    expect(await kafka.probe(`127.0.0.1:1,${state(kafka)!.url}`)).toBeUndefined();
  });

  it('refuses what it does not know, and shows its usage', async () => {
    expect(await command(['start'])).toEqual({
      code: 2,
      output: expect.stringMatching(/Unknown command: start\.\nUsage:/),
    });
    expect(await command(['up', 'rabbit'])).toEqual({
      code: 2,
      output: expect.stringMatching(/Unknown broker: rabbit\.\nUsage:/),
    });
  });

  it.each([
    { broker: rabbitmq, name: 'rabbitmq', start: 'startRabbitmq' },
    { broker: kafka, name: 'kafka', start: 'startKafka' },
    { broker: aws, name: 'aws', start: 'startAws' },
  ])(
    'gives a test a $name of its own, and removes it where the test could not',
    async ({ broker, name, start }) => {
      const test = `
      import { ${start} } from './scripts/brokers/${name}.mjs';
      const { url } = await ${start}();
      console.log(url);
      process.exit();`;
      const { output } = await node(['--input-type=module', '--eval', test]);
      expect(output.trim()).not.toBe(state(broker)!.url);
      expect(await broker.probe(output.trim())).toBeUndefined();
      const left = readdirSync(directory).find((entry) => entry.startsWith(`${name}-`))!;

      // Any command finds it; here one that starts nothing new.
      await command(['up', name]);

      expect(await broker.probe(output.trim())).toMatch(/ECONNREFUSED|ECONNRESET/);
      expect(existsSync(join(directory, left))).toBe(false);
      expect(await broker.probe(state(broker)!.url)).toBeUndefined();
    },
    180_000,
  );

  it('tells the last words of a Kafka that does not start', async () => {
    const own = kafkas.startKafka({ config: 'authorizer.class.name=none.Such' });
    await expect(own).rejects.toThrow(
      /it ended while starting\. Its last words:\n[^]*ClassNotFoundException: none\.Such/,
    );
  }, 60_000);

  it.each(each)(
    '$name is stopped by the last test run that holds it, unless someone said `up`',
    async ({ broker }) => {
      await up(broker, { holder: process.pid });
      await release(broker, { holder: process.pid });
      expect(await broker.probe(state(broker)!.url)).toBeUndefined();
    },
  );

  it('stops all that it started', async () => {
    const processes = brokers.flatMap((broker) => [state(broker)!.node, state(broker)!.epmd]);
    const listening = brokers.flatMap(ports);
    const lines = (all: string) => brokers.map(({ name }) => `${name}: ${all}\n`).join('');
    const { code, output } = await command(['down']);
    expect(code).toBe(0);
    for (const { name } of brokers) expect(output).toContain(`${name}: stopped`);
    expect(processes.filter(isRunning)).toEqual([]);
    // Another test may take a port that is free again, for a broker of its own, or only to see whether it is free.
    const open = async () => {
      const refusing = await Promise.all(listening.map(refuses));
      return listening.filter((_, at) => !refusing[at]);
    };
    await until(async () => (await open()).length === 0, { within: 20_000 });
    expect(await open()).toEqual([]);
    expect(await command(['status'])).toEqual({ code: 0, output: lines('down') });
    expect(await command(['down'])).toEqual({ code: 0, output: lines('none was started here.') });
  }, 60_000);
});

/** As a part of a regular expression that means just this. */
function escape(text: string) {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

describe('providing a broker', () => {
  const never = () => Promise.reject(new Error('not to be called'));

  function way(name: string, how: Partial<Way>): Way {
    return {
      name,
      missing: async () => undefined,
      prepare: async (where) => ({ way: name, directory: where, url: `fake://user:secret@${name}` }),
      start: async () => {},
      stop: never,
      kill: never,
      remove: async () => {},
      isRunning: async () => true,
      lastWords: async () => 'the disk is full',
      control: never,
      ...how,
    };
  }

  function broker(...ways: Way[]): Broker {
    return { name: 'fake', variable: 'FAKE_URL', probe: async () => undefined, ways };
  }

  const where = () => join(mkdtempSync(join(tmpdir(), 'brokers-')), 'fake');

  it('takes the first way that can be taken', async () => {
    const said: string[] = [];
    const say = (line: string) => said.push(line);
    const lacking = way('first', { missing: async () => 'no daemon answers' });
    const state = await provide(
      broker(lacking, way('second', {}), way('third', { prepare: never })),
      where(),
      { say },
    );
    expect(state.way).toBe('second');
    expect(said).toEqual([
      'fake: not by first: no daemon answers.',
      'fake: starting (second) …',
      'fake: up at fake://second (second).',
    ]);
  });

  it('goes on to the next way when one fails to start, and leaves nothing of it', async () => {
    const removed: string[] = [];
    const failing = way('first', {
      start: () => Promise.reject(new Error('the image cannot be pulled')),
      remove: async ({ url }) => void removed.push(url),
    });
    const state = await provide(broker(failing, way('second', {})), where(), { say: () => {} });
    expect(state.way).toBe('second');
    expect(removed).toEqual(['fake://user:secret@first']);
  });

  it('fails where no way is left, with what was tried and what to do', async () => {
    const dying = broker(
      way('first', { missing: async () => 'no daemon answers' }),
      way('second', { isRunning: async () => false }),
    );
    dying.probe = async () => 'connecting failed';
    await expect(provide(dying, where(), { say: () => {} })).rejects.toThrow(
      [
        'fake: no broker could be provided. Tried, in this order:',
        '  - an address in FAKE_URL: it is not set',
        '  - first: no daemon answers',
        '  - second: it ended while starting. Its last words:',
        '    the disk is full',
        'Mend one of these, or start a broker yourself and set FAKE_URL to its address.',
      ].join('\n'),
    );
  });
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));
