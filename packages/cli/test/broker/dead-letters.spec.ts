import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  DeadLetters,
  EventBus,
  MessagingModule,
  OnEvent,
  OnQueue,
  type MessageContext,
} from '@nest-messaging/core';
import {
  awsEndpoint,
  awsEnvironment,
  removeNamespace as removeFromAws,
} from '../../../../test/support/aws.js';
import { kafkaBrokers, removeNamespace as removeFromKafka } from '../../../../test/support/kafka.js';
import { rabbitmqUrl, removeNamespace as removeFromRabbitmq } from '../../../../test/support/rabbitmq.js';

/** Whatever an application has set aside, seen and mended by a process that knows nothing but names. */

const root = fileURLToPath(new URL('../../../../', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

interface Running {
  readonly ended: Promise<Ended>;
  readonly interrupt: () => void;
}

function start(args: readonly string[], { env = {}, input = '' } = {}): Running {
  const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...env } });
  let [out, error] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (error += text));
  child.stdin.end(input);
  return {
    ended: new Promise((resolve, reject) => {
      child.on('error', reject).on('close', (code) => resolve({ code, out, error }));
    }),
    interrupt: () => void child.kill('SIGINT'),
  };
}

beforeAll(async () => {
  const compile = ['node_modules/typescript/bin/tsc', '-b'];
  const packages = ['cli', 'rabbitmq', 'kafka', 'aws'].map((name) => `packages/${name}`);
  expect(await start([...compile, ...packages]).ended).toMatchObject({ code: 0 });
}, 180_000);

class BankError extends Error {
  override readonly name = 'BankError';
  readonly code = 'INSUFFICIENT_FUNDS';
}

/** What handlers have done, and whether they can. */
const bank = { open: false, charged: [] as string[], paid: [] as string[] };

@Injectable()
class Billing {
  @OnEvent('order.placed', { retry: { attempts: 1 } })
  charge({ n }: { n: number }, { id }: MessageContext): void {
    if (!bank.open) throw n % 2 === 0 ? new BankError('the account is empty') : new TypeError('no account');
    bank.charged.push(id);
  }

  @OnQueue('salaries', { retry: { attempts: 1 } })
  pay(_salary: unknown, { id }: MessageContext): void {
    if (!bank.open) throw new BankError('the account is empty');
    bank.paid.push(id);
  }
}

/** Polls; the test's own time limit ends it. */
async function until(fits: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await fits())) await new Promise((resolve) => setTimeout(resolve, 50));
}

interface Page {
  readonly letters: readonly {
    readonly message: { readonly id: string; readonly body?: string; readonly headers: object };
    readonly failure: { readonly name: string };
    readonly attempts: number;
  }[];
  readonly next?: string;
}

const BROKERS = [
  {
    broker: 'RabbitMQ',
    url: rabbitmqUrl,
    remove: (namespace: string) =>
      removeFromRabbitmq(namespace, {
        services: ['billing'],
        subscriptions: ['billing.order.placed', 'salaries'],
      }),
  },
  { broker: 'Kafka', url: () => `kafka://${kafkaBrokers()}`, remove: removeFromKafka },
  {
    broker: 'AWS',
    url: () => `aws://eu-west-1?endpoint=${encodeURIComponent(awsEndpoint())}`,
    remove: removeFromAws,
  },
] as const;

describe.each(BROKERS)('nest-messaging dead-letters on $broker', ({ broker, url, remove }) => {
  const given = { ...process.env };
  const namespace = `let${randomBytes(4).toString('hex')}`;
  const folder = mkdtempSync(join(tmpdir(), 'letters-'));
  let app: TestingModule;

  const ofTopic = ['--topic', 'order.placed'];
  const ofQueue = ['--queue', 'salaries'];

  const begin = (args: readonly string[], input = ''): Running =>
    start(
      [
        'packages/cli/dist/main.js',
        'dead-letters',
        ...args,
        '--service',
        'billing',
        '--namespace',
        namespace,
      ],
      {
        // The SDK warns of the older Node's end, on standard error.
        env: { BROKER_URL: url(), AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
        input,
      },
    );

  /** What a command answers that ends well. */
  async function letters<T>(args: readonly string[], input = ''): Promise<T> {
    const { code, out, error } = await begin([...args, '--json'], input).ended;
    expect({ code, error }).toEqual({ code: 0, error: '' });
    return JSON.parse(out) as T;
  }

  const ids = ({ letters: page }: Page): string[] => page.map(({ message }) => message.id);
  const count = async (of: readonly string[]): Promise<number> =>
    ids(await letters<Page>(['list', ...of, '--limit', '1000'])).length;

  beforeAll(async () => {
    if (broker === 'AWS') Object.assign(process.env, awsEnvironment());
    Object.assign(bank, { open: false, charged: [], paid: [] });
    app = await Test.createTestingModule({
      imports: [MessagingModule.forRoot({ service: 'billing', namespace, broker: url() })],
      providers: [Billing],
    })
      .setLogger({ log: () => undefined, warn: () => undefined, error: () => undefined })
      .compile();
    await app.init();
  }, 60_000);

  afterAll(async () => {
    await app?.close();
    await remove(namespace);
    rmSync(folder, { recursive: true });
    process.env = given;
  }, 60_000);

  it('a hundred are listed, one is shown, ten are redriven, the rest exported, purged and imported', async () => {
    bank.open = false;
    const bus = app.get(EventBus);
    const orders = Array.from({ length: 100 }, (_, n) => ({ n, card: `secret-${n}` }));
    await Promise.all(orders.map((order) => bus.publish('order.placed', order)));
    await until(async () => {
      const { letters: failed } = await app.get(DeadLetters).list({ topic: 'order.placed' });
      return failed.length === 100;
    });

    // Listed, page by page.
    const pages: Page[] = [];
    for (let after: string[] = []; pages.length < 10;) {
      const page = await letters<Page>(['list', ...ofTopic, '--limit', '40', ...after]);
      pages.push(page);
      if (page.next === undefined) break;
      after = ['--after', page.next];
    }
    expect(pages.map(({ letters: page }) => page.length)).toEqual([40, 40, 20]);
    const all = pages.flatMap(ids);
    expect(new Set(all).size).toBe(100);
    expect(JSON.stringify(pages)).not.toContain('secret');

    // By their errors, for people.
    const filter = ['--error', 'INSUFFICIENT_FUNDS', '--since', '1h', '--limit', '10'];
    const listed = await begin(['list', ...ofTopic, ...filter]).ended;
    expect(listed).toMatchObject({ code: 0, error: '' });
    expect(listed.out).toMatch(/^TIME +ID +ERROR +ATTEMPTS +KEY\n/);
    expect(listed.out.match(/^\d{4}-\S+Z +\S+ +BankError +1 +–$/gm)).toHaveLength(10);
    expect(listed.out).toMatch(/\n\nnext page: --after \S+\n$/);

    // Shown: the payload only where it is asked for.
    const shown = await begin(['show', all[0]!, ...ofTopic]).ended;
    expect(shown).toMatchObject({ code: 0, error: '' });
    expect(shown.out).toContain(all[0]);
    expect(shown.out).toMatch(/^error +(BankError: the account is empty|TypeError: no account)$/m);
    expect(shown.out).toMatch(/^origin +\S/m);
    expect(shown.out).not.toContain('secret');
    const { message } = await letters<Page['letters'][number]>(['show', all[0]!, ...ofTopic, '--payload']);
    expect(orders).toContainEqual(JSON.parse(message.body!));

    // Redriven, when the bank is open again.
    bank.open = true;
    const ten = all.slice(20, 30);
    const tried = await letters<{ ids: string[] }>(['redrive', ...ten, ...ofTopic, '--dry-run']);
    expect({ ...tried, ids: tried.ids.toSorted() }).toEqual({
      count: 10,
      ids: ten.toSorted(),
      complete: true,
    });
    expect(await count(ofTopic)).toBe(100);
    expect(await letters(['redrive', ...ten, ...ofTopic])).toEqual({ count: 10, complete: true });
    await until(() => bank.charged.length >= 10);
    expect(bank.charged.toSorted()).toEqual(ten.toSorted());
    expect(await count(ofTopic)).toBe(90);

    // Exported.
    const file = join(folder, 'letters.jsonl');
    expect(await letters(['export', ...ofTopic, '--file', file])).toEqual({ count: 90 });
    const lines = readFileSync(file, 'utf8');
    expect(lines.match(/"secret-|secret-\d+/g)).toHaveLength(90);
    expect(statSync(file).mode & 0o077).toBe(0);
    const piped = await begin(['export', ...ofTopic]).ended;
    expect(piped).toMatchObject({ code: 0, error: '90 exported\n' });
    // SQS has an order of its own each time.
    expect(piped.out.split('\n').toSorted()).toEqual(lines.split('\n').toSorted());
    expect(await count(ofTopic)).toBe(90);

    // Purged, if that is meant.
    expect(await begin(['purge', '--all', ...ofTopic]).ended).toMatchObject({ code: 2, out: '' });
    const would = await letters<{ count: number }>(['purge', '--all', ...ofTopic, '--dry-run']);
    expect(would.count).toBe(90);
    expect(await count(ofTopic)).toBe(90);
    expect(await letters(['purge', '--all', '--yes', ...ofTopic])).toEqual({ count: 90, complete: true });
    expect(await count(ofTopic)).toBe(0);

    // Imported; a second time, nothing.
    const dry = await letters<{ count: number }>(['import', ...ofTopic, '--dry-run'], lines);
    expect(dry.count).toBe(90);
    expect(await count(ofTopic)).toBe(0);
    const imported = ['import', ...ofTopic];
    expect(await letters(imported, lines)).toEqual({ count: 90, skipped: 0, complete: true });
    expect(await letters([...imported, '--file', file])).toEqual({ count: 0, skipped: 90, complete: true });
    const back = await letters<Page>(['list', ...ofTopic]);
    expect(ids(back).toSorted()).toEqual(all.filter((id) => !ten.includes(id)).toSorted());
  }, 240_000);

  it('a slow redrive that is interrupted says how many it has done, and loses none', async () => {
    bank.open = false;
    const bus = app.get(EventBus);
    const salaries = Array.from({ length: 30 }, (_, n) => ({ n }));
    await Promise.all(salaries.map((salary) => bus.enqueue('salaries', salary)));
    await until(async () => {
      const { letters: failed } = await app.get(DeadLetters).list({ queue: 'salaries' });
      return failed.length === 30;
    });
    const all = ids(await letters<Page>(['list', ...ofQueue]));

    bank.open = true;
    const redrive = begin(['redrive', '--all', '--rate', '2', ...ofQueue]);
    await until(() => bank.paid.length >= 3);
    redrive.interrupt();
    // As of a terminal by npx, which passes on what the terminal has sent already.
    redrive.interrupt();
    const { code, out, error } = await redrive.ended;
    expect({ code, out }).toEqual({ code: 130, out: '' });
    const [, done] = /^(\d+) redriven; the rest is as it was\ninterrupted\n$/.exec(error)!;
    expect(Number(done)).toBeGreaterThanOrEqual(3);
    expect(Number(done)).toBeLessThan(30);
    await until(() => bank.paid.length >= Number(done));
    const left = ids(await letters<Page>(['list', ...ofQueue]));
    expect([...left, ...bank.paid].toSorted()).toEqual(all.toSorted());

    // The same command goes on from there.
    const rest = await letters(['redrive', '--all', ...ofQueue]);
    expect(rest).toEqual({ count: 30 - Number(done), complete: true });
    await until(() => bank.paid.length >= 30);
    expect(bank.paid.toSorted()).toEqual(all.toSorted());
    expect(await count(ofQueue)).toBe(0);
  }, 180_000);
});
