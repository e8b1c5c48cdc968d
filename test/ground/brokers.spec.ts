import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from 'amqplib';
import { provide } from '../../scripts/brokers/broker.mjs';
import type { Broker, Way } from '../../scripts/brokers/broker.mjs';
import { kill, quorumQueuesWritten, rabbitmq, restart } from '../../scripts/brokers/rabbitmq.mjs';
import { release, up } from '../../scripts/brokers/shared.mjs';
import { readState } from '../../scripts/brokers/state.mjs';
import { isRunning } from '../../scripts/brokers/processes.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Brokers of this file's own, so that those which other tests use are left alone. */
const directory = mkdtempSync(join(tmpdir(), 'brokers-'));
process.env.BROKERS_DIRECTORY = directory;
delete process.env.RABBITMQ_URL;

const state = () => readState(join(directory, 'rabbitmq'));

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

describe('npm run brokers', () => {
  const ups: Array<{ code: number; output: string }> = [];

  beforeAll(async () => {
    ups.push(...(await Promise.all([command(['up']), command(['up', 'rabbitmq'])])));
  }, 180_000);

  afterAll(() => command(['down']), 60_000);

  it('starts one broker, however often it is told to, and says which', () => {
    expect(ups.map(({ code }) => code)).toEqual([0, 0]);
    const said = ups.map(({ output }) => output).join('');
    expect(said.match(/rabbitmq: up at amqp:\/\/127\.0\.0\.1:\d+ \(.+\)\./g)).toHaveLength(1);
    expect(said.match(/rabbitmq: already up at/g)).toHaveLength(1);
  });

  it('tells its state to people without credentials, and its address to programs', async () => {
    const { url } = state()!;
    const shown = url.replace('guest:guest@', '');
    expect(await command(['status'])).toEqual({
      code: 0,
      output: expect.stringContaining(`rabbitmq: up at ${shown} (`),
    });
    expect(await command(['env'])).toEqual({ code: 0, output: `RABBITMQ_URL=${url}\n` });
    for (const { output } of [...ups, await command(['status'])]) expect(output).not.toContain('guest');
  });

  it('serves clients', async () => {
    const connection = await connect(state()!.url);
    await connection.close();
  });

  it('listens on loopback alone', () => {
    // Only Linux tells every program's listeners in a file.
    if (!existsSync('/proc/net/tcp')) return;
    const { url, ports = {} } = state()!;
    const own = [Number(new URL(url).port), ...Object.values<number>(ports)];
    const listeners = ['/proc/net/tcp', '/proc/net/tcp6']
      .flatMap((file) => readFileSync(file, 'utf8').trim().split('\n').slice(1))
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , status]) => status === '0A')
      .map(([, local]) => local!.split(':'))
      .filter(([, port]) => own.includes(Number.parseInt(port!, 16)));
    expect(listeners.length).toBeGreaterThanOrEqual(own.length);
    const loopback = ['0100007F', '00000000000000000000000001000000'];
    expect(listeners.filter(([address]) => !loopback.includes(address!))).toEqual([]);
  });

  it('keeps queues and messages, address and port over a kill and a restart', async () => {
    const { url } = state()!;
    const before = await connect(url);
    // The kill below ends this connection with an error.
    before.on('error', () => {});
    const channel = await before.createConfirmChannel();
    channel.on('error', () => {});
    await channel.assertQueue('kept', { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    channel.sendToQueue('kept', Buffer.from('still here'), { persistent: true });
    await channel.waitForConfirms();

    await quorumQueuesWritten(state()!, ['kept']);
    await kill();
    expect(await command(['status'])).toEqual({ code: 0, output: expect.stringContaining('not serving at') });
    expect(await command(['env'])).toEqual({ code: 0, output: '' });
    await restart();

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

  it('uses an address that is given, and does not stop what is there', async () => {
    const { url } = state()!;
    const elsewhere = { RABBITMQ_URL: url, BROKERS_DIRECTORY: join(directory, 'elsewhere') };
    expect(await command(['up'], elsewhere)).toEqual({
      code: 0,
      output: expect.stringContaining('given in RABBITMQ_URL'),
    });
    expect(await command(['status'], elsewhere)).toEqual({
      code: 0,
      output: expect.stringContaining('given in RABBITMQ_URL'),
    });
    expect(await command(['env'], elsewhere)).toEqual({ code: 0, output: `RABBITMQ_URL=${url}\n` });
    expect(await command(['down'], elsewhere)).toEqual({
      code: 0,
      output: expect.stringContaining('not ours to stop'),
    });
    expect(await rabbitmq.probe(url)).toBeUndefined();
  });

  it('fails where nothing answers at the given address, without repeating its password', async () => {
    const { code, output } = await command(['up'], {
      RABBITMQ_URL: 'amqp://someone:secret@127.0.0.1:1/shop',
    });
    expect(code).toBe(1);
    expect(output).toContain(
      'RABBITMQ_URL is given as amqp://127.0.0.1:1/shop, but connecting failed (ECONNREFUSED)',
    );
    expect(output).not.toContain('secret');
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

  it('gives a test a broker of its own, and removes it where the test could not', async () => {
    const test = `
      import { startRabbitmq } from './scripts/brokers/rabbitmq.mjs';
      const { url } = await startRabbitmq();
      console.log(url);
      process.exit();`;
    const { output } = await node(['--input-type=module', '--eval', test]);
    expect(output.trim()).not.toBe(state()!.url);
    expect(await rabbitmq.probe(output.trim())).toBeUndefined();
    const name = readdirSync(directory).find((entry) => entry.startsWith('rabbitmq-'))!;

    // Any command finds it; here one that starts nothing new.
    await command(['up']);

    expect(await rabbitmq.probe(output.trim())).toMatch(/ECONNREFUSED/);
    expect(existsSync(join(directory, name))).toBe(false);
    expect(await rabbitmq.probe(state()!.url)).toBeUndefined();
  }, 180_000);

  it('is stopped by the last test run that holds it, unless someone said `up`', async () => {
    await up(rabbitmq, { holder: process.pid });
    await release(rabbitmq, { holder: process.pid });
    expect(await rabbitmq.probe(state()!.url)).toBeUndefined();
  });

  it('stops all that it started', async () => {
    const { url, node: broker, epmd, ports = {} } = state()!;
    expect(await command(['down'])).toEqual({
      code: 0,
      output: expect.stringContaining('rabbitmq: stopped'),
    });
    expect([broker, epmd].filter(isRunning)).toEqual([]);
    for (const port of [Number(new URL(url).port), ...Object.values<number>(ports)])
      expect(await refuses(port)).toBe(true);
    expect(await command(['status'])).toEqual({ code: 0, output: 'rabbitmq: down\n' });
    expect(await command(['down'])).toEqual({ code: 0, output: 'rabbitmq: none was started here.\n' });
  }, 60_000);
});

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
