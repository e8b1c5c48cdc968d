import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  awsEndpoint,
  awsEnvironment,
  removeNamespace as removeFromAws,
} from '../../../../test/support/aws.js';
import { kafkaBrokers, removeNamespace as removeFromKafka } from '../../../../test/support/kafka.js';
import { rabbitmqUrl, removeNamespace as removeFromRabbitmq } from '../../../../test/support/rabbitmq.js';
import { InterruptedError } from '../../src/exit.js';
import { command, commandWith } from '../command.js';

/** Subscriptions without dead letters, and such as nobody has. */

const namespace = `none${randomBytes(4).toString('hex')}`;
const given = { ...process.env };
let folder: string;
beforeAll(() => void Object.assign(process.env, awsEnvironment()));
afterAll(() => {
  process.env = given;
});
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'letters-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const BROKERS = [
  {
    broker: 'RabbitMQ',
    url: rabbitmqUrl,
    place: `queue '${namespace}.billing.order.plced--dead'`,
    remove: () =>
      removeFromRabbitmq(namespace, {
        services: ['billing'],
        subscriptions: ['billing.order.placed', 'invoices'],
      }),
  },
  {
    broker: 'Kafka',
    url: () => `kafka://${kafkaBrokers()}`,
    place: `topic '${namespace}.billing.order.plced--dead'`,
    remove: () => removeFromKafka(namespace),
  },
  {
    broker: 'AWS',
    url: () => `aws://eu-west-1?endpoint=${encodeURIComponent(awsEndpoint())}`,
    place: `queue '${namespace}_billing_order_plced--dead'`,
    remove: () => removeFromAws(namespace),
  },
] as const;

describe.each(BROKERS)('nest-messaging dead-letters on $broker', ({ broker, url, place, remove }) => {
  const there = (): string[] => ['--url', url(), '--service', 'billing', '--namespace', namespace];
  const ofTopic = (): string[] => [...there(), '--topic', 'order.placed'];
  const letters = (...args: string[]) => command('dead-letters', ...args);

  beforeAll(async () => {
    const doing = ['--handle', 'order.placed', '--work', 'invoices', '--apply'];
    expect(await command('topology', ...there(), ...doing)).toMatchObject({ code: 0 });
  }, 60_000);
  afterAll(remove, 60_000);

  it.each([
    ['list', [], 'no dead letters of topic'],
    ['redrive', ['--all'], '0 redriven'],
    ['purge', ['--all', '--yes'], '0 purged'],
    ['import', [], '0 imported'],
  ])('%s of nothing is fine', async (name, args, said) => {
    expect(await letters(name, ...ofTopic(), ...args)).toEqual({
      code: 0,
      out: expect.stringContaining(said),
      error: '',
    });
  });

  it.each([
    ['list', []],
    ['show', ['some-id']],
    ['redrive', ['--all']],
    ['redrive', ['--all', '--dry-run']],
    ['purge', ['--all', '--yes']],
    ['export', []],
    ['import', []],
  ])(
    '%s %j of a subscription that nobody has ends with 1, and says what was looked for',
    async (name, args) => {
      const mistyped = [...there(), '--topic', 'order.plced'];
      const { code, out, error } = await letters(name, ...args, ...mistyped);
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(error).toMatch(/^TOPOLOGY: /);
      expect(error).toContain(`${place} does not exist`);
      expect(error).toContain(
        `topic 'order.plced' of group 'billing'; check --topic, --group (else --service), --namespace (${namespace}) and --url`,
      );
    },
  );

  it('nor are a group, a queue or a namespace taken for one without dead letters', async () => {
    for (const [args, told] of [
      [[...ofTopic(), '--group', 'biling'], "of group 'biling'; check --topic"],
      [[...there(), '--queue', 'invoice'], "queue 'invoice'; check --queue, --namespace"],
      [['--url', url(), '--service', namespace, '--topic', 'order.placed'], '--namespace (there is none)'],
    ] as const) {
      const { code, out, error } = await letters('list', ...args);
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(error).toContain(told);
    }
    expect(await letters('list', ...there(), '--queue', 'invoices')).toMatchObject({ code: 0, error: '' });
  });

  // The rest is the same on every broker.
  if (broker !== 'RabbitMQ') return;

  it.each([
    ['list', [], { letters: [] }],
    ['redrive', ['--all'], { count: 0, complete: true }],
    ['redrive', ['--all', '--dry-run'], { count: 0, ids: [], complete: true }],
    ['purge', ['some-id', '--yes'], { count: 0, complete: true }],
    ['import', [], { count: 0, skipped: 0, complete: true }],
  ])('%s %j is JSON for programs', async (name, args, result) => {
    const { code, out, error } = await letters(name, ...ofTopic(), ...args, '--json');
    expect({ code, result: JSON.parse(out), error }).toEqual({ code: 0, result, error: '' });
  });

  it('a letter that is not there is not shown, and that ends with 1', async () => {
    expect(await letters('show', 'some-id', ...ofTopic())).toEqual({
      code: 1,
      out: '',
      error: "there is no dead letter some-id of topic 'order.placed' of group 'billing'\n",
    });
  });

  it('quotes no password of who mistypes', async () => {
    const { code, error } = await letters('show', 'amqp://someone:s3cret@127.0.0.1:1', ...ofTopic());
    expect(code).toBe(1);
    expect(error).toContain('there is no dead letter amqp://…@127.0.0.1:1 of');
    expect(error).not.toContain('s3cret');
  });

  it.each([
    [['list', '--after', 'nowhere'], "--after: 'nowhere' is no place"],
    [['import', '--file', '/nowhere/letters.jsonl'], 'it cannot be read: ENOENT'],
    [['export', '--file', '/nowhere/letters.jsonl'], 'it cannot be made: ENOENT'],
  ])('does not understand %j, and says why', async (args, why) => {
    const { code, out, error } = await letters(...args, ...ofTopic());
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(error).toContain(why);
  });

  it.each(['2h', '2026-02-20', '2026-02-20T10:00Z', '2026-02-20T10:00:30.5+01:00'])(
    'takes %s for a time',
    async (time) => {
      const ended = await letters('list', ...ofTopic(), '--since', time, '--until', time);
      expect(ended).toMatchObject({ code: 0 });
    },
  );

  it('tells the number of a line that is malformed, and ends with 1', async () => {
    const input = () => Readable.from(['\n{ "half": ']);
    const { code, out, error } = await commandWith({ input }, 'dead-letters', 'import', ...ofTopic());
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(error).toMatch(/^0 imported; the rest is as it was\nINVALID_MESSAGE: line 2 is no dead letter/);
  });

  it('overwrites no file', async () => {
    const file = join(folder, 'letters.jsonl');
    writeFileSync(file, 'kept');
    const { code, error } = await letters('export', ...ofTopic(), '--file', file);
    expect(code).toBe(2);
    expect(error).toContain('it is there already; give another name');
    expect(readFileSync(file, 'utf8')).toBe('kept');
  });

  it('exports to a file that nobody else may read', async () => {
    const file = join(folder, 'letters.jsonl');
    const { code, out } = await letters('export', ...ofTopic(), '--file', file, '--json');
    expect({ code, result: JSON.parse(out) }).toEqual({ code: 0, result: { count: 0 } });
    expect(existsSync(file)).toBe(true);
  });

  it('that is told to end while it waits for input ends with 130, and says how far it came', async () => {
    const stop = new AbortController();
    const input = () => new Readable({ read: () => stop.abort(new InterruptedError()) });
    const terminal = { input, interruption: () => stop.signal };
    expect(await commandWith(terminal, 'dead-letters', 'import', ...ofTopic(), '--json')).toEqual({
      code: 130,
      out: `${JSON.stringify({ count: 0, complete: false }, null, 2)}\n`,
      error: '0 imported; the rest is as it was\ninterrupted\n',
    });
  });
});
