import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExaminedConnection } from '@nest-messaging/core';
import { connect } from 'amqplib';
import { freePorts } from '../../../../scripts/brokers/ports.mjs';
import { startRabbitmq } from '../../../../scripts/brokers/rabbitmq.mjs';
import {
  awsEndpoint,
  awsEnvironment,
  removeNamespace as removeFromAws,
} from '../../../../test/support/aws.js';
import { describeHere } from '../../../../test/support/describe-here.js';
import {
  administrate,
  kafkaBrokers,
  kafkaDrivers,
  removeNamespace as removeFromKafka,
} from '../../../../test/support/kafka.js';
import { rabbitmqUrl, removeNamespace as removeFromRabbitmq } from '../../../../test/support/rabbitmq.js';
import { command } from '../command.js';

const namespace = `doc${randomBytes(4).toString('hex')}`;

const topology = (url: string, ...handles: string[]) =>
  command('topology', '--url', url, ...doing(...handles), '--apply');

const doing = (...handles: string[]): string[] => [
  '--service',
  'billing',
  '--namespace',
  namespace,
  ...handles.flatMap((handle) => ['--handle', handle]),
];

async function doctor(url: string, ...args: string[]) {
  const { code, out, error } = await command('doctor', '--url', url, ...args, '--json');
  expect(error).toBe('');
  const [examined] = JSON.parse(out) as [ExaminedConnection];
  return { code, ...examined, told: examined.findings.filter(({ level }) => level !== 'fine') };
}

/** Of one subscription that the application has, and one that it has no more. */
const BROKERS = [
  {
    broker: 'kafka',
    url: () => `kafka://${kafkaBrokers()}`,
    remove: () => removeFromKafka(namespace),
    missing: `topic ${namespace}.billing.order.placed--dead`,
    orphan: `consumer group ${namespace}.billing.order.old`,
  },
  {
    broker: 'aws',
    url: () => `aws://eu-west-1?endpoint=${encodeURIComponent(awsEndpoint())}`,
    remove: () => removeFromAws(namespace),
    missing: `queue ${namespace}_billing_order_placed--dead`,
    orphan: `queue ${namespace}_billing_order_old`,
  },
] as const;

describe.each(BROKERS)('nest-messaging doctor on $broker', ({ broker, url, remove, missing, orphan }) => {
  const given = { ...process.env };
  beforeAll(() => {
    if (broker === 'aws') Object.assign(process.env, awsEnvironment());
  });
  afterAll(async () => {
    await remove();
    process.env = given;
  });

  it('tells what is missing: trouble where the application must not make it', async () => {
    const mode = (named: string) => doctor(url(), ...doing('order.placed'), '--topology', named);
    const validating = await mode('validate');
    expect(validating.code).toBe(1);
    expect(validating.findings).toContainEqual({
      level: 'trouble',
      about: missing,
      message: expect.stringContaining('does not exist: create it'),
    });
    const creating = await mode('create');
    expect(creating.code).toBe(0);
    expect(creating.findings).toContainEqual({
      level: 'notice',
      about: missing,
      message: expect.stringContaining('is not there yet'),
    });
  });

  it('tells of subscriptions that no handler has any more', async () => {
    expect((await topology(url(), 'order.placed', 'order.old')).code).toBe(0);
    const { code, findings } = await doctor(url(), ...doing('order.placed'), '--topology', 'validate');
    expect(code).toBe(0);
    expect(findings).toContainEqual({ level: 'fine', about: missing, message: expect.any(String) });
    expect(findings).toContainEqual({
      level: 'notice',
      about: orphan,
      message: expect.stringContaining('no handler here has it'),
    });
  });
});

describe('nest-messaging doctor on kafka alone', () => {
  afterAll(() => removeFromKafka(namespace));

  for (const { name: driver, missing } of kafkaDrivers)
    describeHere(`with ${driver}`, missing, () => {
      const url = () => `kafka://${kafkaBrokers()}?driver=${driver}`;

      it('tells that the broker is of a release that it is made for', async () => {
        const { findings } = await doctor(url(), ...doing('order.placed'));
        expect(findings[0]).toEqual({
          level: 'fine',
          about: 'broker',
          message: 'Kafka 4.0 or later, by the requests that it speaks',
        });
      });

      it('tells of a topic that was made by hand, and deletes what waits in it', async () => {
        const own = `${namespace}.${driver}.order.placed`;
        const [retry, dead] = [`${own}--retry`, `${own}--dead`];
        const configEntries = [{ name: 'cleanup.policy', value: 'compact' }];
        await administrate((admin) =>
          admin.createTopics({
            topics: [{ topic: retry }, { topic: dead, configEntries }],
            waitForLeaders: false,
          }),
        );
        const service = ['--service', driver, '--namespace', namespace, '--handle', 'order.placed'];
        const look = () => doctor(url(), ...service);
        const bothAreThere = async () =>
          (await look()).findings.filter(
            (one) => one.about.startsWith(`topic ${own}--`) && one.level !== 'notice',
          ).length === 2;
        while (!(await bothAreThere()));
        const { code, findings } = await look();
        expect(code).toBe(1);
        // What a broker is given by default is a week.
        const finite = /^has (.* and )?retention.ms '\d+', expected '-1': Kafka deletes what still waits/;
        const level = 'trouble';
        expect(findings.filter((one) => one.level === level)).toEqual([
          { level, about: `topic ${retry}`, message: expect.stringMatching(finite) },
          { level, about: `topic ${dead}`, message: expect.stringMatching(finite) },
        ]);
        expect(findings.find(({ about }) => about === `topic ${dead}`)!.message).toMatch(
          /^has cleanup.policy 'compact', expected 'delete' and/,
        );
      });
    });
});

describe('nest-messaging doctor on rabbitmq', () => {
  afterAll(() =>
    removeFromRabbitmq(namespace, { services: ['billing'], subscriptions: ['billing.order.placed'] }),
  );

  it('tells what is not as it should be', async () => {
    expect((await topology(rabbitmqUrl(), 'order.placed')).code).toBe(0);
    const connection = await connect(rabbitmqUrl());
    const channel = await connection.createChannel();
    const queue = `${namespace}.billing.order.placed--dead`;
    await channel.deleteQueue(queue);
    await channel.assertQueue(queue, { arguments: { 'x-queue-type': 'classic' } });
    channel.publish(namespace, 'order.placed', Buffer.from('{}'));
    await connection.close();
    const { code, told, findings } = await doctor(rabbitmqUrl(), ...doing('order.placed'));
    expect(code).toBe(1);
    expect(told).toEqual([
      {
        level: 'notice',
        about: `queue ${namespace}.billing.order.placed`,
        // As the broker counts at this moment.
        message: expect.stringMatching(/^nobody takes from it; messages waiting: [01]$/),
      },
      {
        level: 'trouble',
        about: `queue ${queue}`,
        message: expect.stringContaining("exists with x-queue-type 'classic', expected 'quorum'"),
      },
      {
        level: 'notice',
        about: 'orphaned subscriptions',
        message: expect.stringMatching(/^cannot be seen over AMQP.*: give the URL of the management API$/),
      },
    ]);
    expect(findings[0]).toEqual({
      level: 'fine',
      about: 'broker',
      message: expect.stringMatching(/^RabbitMQ \d/),
    });
  });

  it('says that a broker cannot be reached, and ends with 1', async () => {
    const { code, told } = await doctor('amqp://someone:s3cret@127.0.0.1:1', ...doing('order.placed'));
    expect(code).toBe(1);
    expect(told).toEqual([
      {
        level: 'trouble',
        about: 'rabbitmq',
        message: expect.stringMatching(/^RabbitMQ at 127\.0\.0\.1:1 cannot be reached/),
      },
    ]);
    expect(JSON.stringify(told)).not.toContain('s3cret');
  }, 60_000);
});

describe('nest-messaging doctor with the management API of RabbitMQ', () => {
  let broker: Awaited<ReturnType<typeof startRabbitmq>>;
  let management: string;

  beforeAll(async () => {
    broker = await startRabbitmq();
    const [port] = await freePorts(1);
    management = `http://guest:guest@127.0.0.1:${port}`;
    const config = join(broker.directory, 'rabbitmq.conf');
    if (!existsSync(config)) throw new Error('this RabbitMQ has no file that the plug-in could be set up in');
    await broker.stop();
    // Only with the plug-in are its settings known to the node.
    writeFileSync(join(broker.directory, 'enabled_plugins'), '[rabbitmq_management].\n');
    appendFileSync(config, `management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = ${port}\n`);
    await broker.start();
  }, 180_000);

  afterAll(() => broker?.remove());

  it('tells of queues that nobody takes from and no handler has any more', async () => {
    await topology(broker.url, 'order.placed', 'order.old');
    const ordered = [...doing('order.turns'), '--ordered', 'order.turns', '--apply'];
    expect((await command('topology', '--url', broker.url, ...ordered)).code).toBe(0);
    const looking = [...doing('order.placed'), '--management', management];
    const { code, told } = await doctor(broker.url, ...looking);
    expect(code).toBe(0);
    expect(told).toEqual([
      {
        level: 'notice',
        about: `queue ${namespace}.billing.order.placed`,
        message: 'nobody takes from it; messages waiting: 0',
      },
      {
        level: 'notice',
        about: `queue ${namespace}.billing.order.old`,
        message: expect.stringContaining('no handler here has it; messages waiting: 0'),
      },
      {
        level: 'notice',
        about: `queue ${namespace}.billing.order.turns--ordered`,
        message: expect.stringContaining('no handler here has it; messages waiting: 0'),
      },
    ]);
  }, 60_000);

  it('tells of a binding that was taken away', async () => {
    await topology(broker.url, 'order.placed');
    const queue = `${namespace}.billing.order.placed`;
    const looking = [...doing('order.placed'), '--management', management];
    const connection = await connect(broker.url);
    const channel = await connection.createChannel();
    await channel.unbindQueue(queue, namespace, 'order.placed');
    await connection.close();
    const troubles = async () => {
      const { code, told } = await doctor(broker.url, ...looking);
      return { code, troubles: told.filter(({ level }) => level === 'trouble') };
    };
    const message = expect.stringMatching(
      new RegExp(`^is not bound to exchange ${namespace} with key 'order.placed': `),
    );
    expect(await troubles()).toEqual({
      code: 1,
      troubles: [{ level: 'trouble', about: `queue ${queue}`, message }],
    });
    await topology(broker.url, 'order.placed');
    expect(await troubles()).toEqual({ code: 0, troubles: [] });
  }, 60_000);

  it('tells what the user may not do, and whom it is not told', async () => {
    await topology(broker.url, 'order.placed');
    for (const [user, tag] of [['limited'], ['viewer', 'monitoring']]) {
      await broker.control('add_user', user!, 's3cret');
      if (tag) await broker.control('set_user_tags', user!, tag);
    }
    const queue = `${namespace}.billing.order.placed`;
    await broker.control('set_permissions', 'limited', '.*', '', `^${queue}`);
    await broker.control('set_permissions', 'viewer', '', '', '.*');
    const url = `amqp://limited:s3cret@${new URL(broker.url).host}`;
    const about = 'permissions of limited';
    const permissions = async (place: string) => {
      const mode = [...doing('order.placed'), '--topology', 'none', '--management', place];
      const { code, findings } = await doctor(url, ...mode);
      return { code, findings: findings.filter((one) => one.about === about) };
    };
    const { code, findings } = await permissions(management);
    expect(code).toBe(1);
    const message = expect.stringMatching(/^are '' to write, and not \^\(.*amq\\\.default.*\)\$: grant it/);
    expect(findings).toEqual([{ level: 'trouble', about, message }]);
    expect(await permissions(management.replace('guest:guest', 'viewer:s3cret'))).toEqual({
      code: 0,
      findings: [{ level: 'notice', about, message: expect.stringContaining('to administrators alone') }],
    });
    await broker.control('set_permissions', 'limited', '', '.*', '.*');
    expect(await permissions(management)).toEqual({
      code: 0,
      findings: [{ level: 'fine', about, message: 'are all that the application needs' }],
    });
  }, 60_000);

  it('says why it cannot ask there', async () => {
    const wrong = management.replace('guest:guest', 'someone:s3cret');
    const { code, told } = await doctor(broker.url, ...doing(), '--management', wrong);
    expect(code).toBe(1);
    expect(told[0]!.message).toMatch(/^the management API at 127\.0\.0\.1:\d+ answered 401: check user/);
    expect(JSON.stringify(told)).not.toContain('s3cret');
  });
});
