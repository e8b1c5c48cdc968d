import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { InterruptedError } from '../src/exit.js';
import { command, commandWith } from './command.js';

/** A process's own memory: nothing is ever there. What brokers keep is tested on them. */
const NOWHERE = ['--url', 'memory:', '--service', 'billing', '--topic', 'order.placed'];
const UNREACHABLE = ['--url', 'amqp://someone:s3cret@127.0.0.1:1', ...NOWHERE.slice(2)];

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'letters-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const letters = (...args: string[]) => command('dead-letters', ...args);

describe('nest-messaging dead-letters', () => {
  it('says what there is, and has examples for each', async () => {
    const { code, out } = await letters('--help');
    expect(code).toBe(0);
    for (const name of ['list', 'show', 'redrive', 'purge', 'export', 'import']) {
      expect(out).toMatch(new RegExp(`^  ${name} `, 'm'));
      expect((await letters(name, '--help')).out).toContain(`nest-messaging dead-letters ${name} `);
    }
  });

  it.each([
    ['list', [], 'no dead letters of topic'],
    ['redrive', ['--all'], '0 redriven'],
    ['purge', ['--all', '--yes'], '0 purged'],
    ['import', [], '0 imported'],
  ])('%s of nothing is fine', async (name, args, said) => {
    expect(await letters(name, ...NOWHERE, ...args)).toEqual({
      code: 0,
      out: expect.stringContaining(said),
      error: '',
    });
  });

  it.each([
    ['list', [], { letters: [] }],
    ['redrive', ['--all'], { count: 0, complete: true }],
    ['redrive', ['--all', '--dry-run'], { count: 0, ids: [], complete: true }],
    ['purge', ['some-id', '--yes'], { count: 0, complete: true }],
    ['import', [], { count: 0, skipped: 0, complete: true }],
  ])('%s %j is JSON for programs', async (name, args, result) => {
    const { code, out, error } = await letters(name, ...NOWHERE, ...args, '--json');
    expect({ code, result: JSON.parse(out), error }).toEqual({ code: 0, result, error: '' });
  });

  it('a letter that is not there is not shown, and that ends with 1', async () => {
    expect(await letters('show', 'some-id', ...NOWHERE)).toEqual({
      code: 1,
      out: '',
      error: "there is no dead letter some-id of topic 'order.placed' of group 'billing'\n",
    });
  });

  it.each([
    [['list', '--service', 'billing', '--topic', 'a'], '--url is missing'],
    [['list', '--url', 'memory:', '--topic', 'a'], '--service is missing'],
    [['list', '--url', 'memory:', '--service', 'billing'], 'neither --topic nor --queue'],
    [['list', ...NOWHERE, '--queue', 'a'], "cannot be used with option '--topic <topic>'"],
    [['list', ...NOWHERE, '--group', 'a.b'], 'group "a.b" holds a dot'],
    [['list', ...NOWHERE.slice(0, -1), 'a b'], 'topic "a b" holds'],
    [['list', ...NOWHERE, '--limit', '0'], 'whole number of 1 or more'],
    [['list', ...NOWHERE, '--after', 'nowhere'], "--after: 'nowhere' is no place"],
    [['list', ...NOWHERE, '--since', 'yesterday'], 'how long ago'],
    [['list', ...NOWHERE, '--since', '2026-02-30'], 'how long ago'],
    // Another machine would read another time.
    [['list', ...NOWHERE, '--since', '2026-02-20T10:00'], 'a time with its zone'],
    [['show', ...NOWHERE], "missing required argument 'id'"],
    [['redrive', ...NOWHERE], 'which dead letters is not said'],
    [['redrive', 'some-id', '--all', ...NOWHERE], 'message ids as well'],
    [['redrive', '--error', 'TypeError', '--all', ...NOWHERE], '--error as well'],
    [['redrive', '--all', '--rate', '0', ...NOWHERE], 'a number of more than 0'],
    [['purge', '--yes', ...NOWHERE], 'which dead letters is not said'],
    [['purge', '--all', ...NOWHERE], 'add --yes if that is meant'],
    [['import', ...NOWHERE, '--file', '/nowhere/letters.jsonl'], 'it cannot be read: ENOENT'],
    [['export', ...NOWHERE, '--file', '/nowhere/letters.jsonl'], 'it cannot be made: ENOENT'],
    [[], 'Usage: nest-messaging dead-letters'],
  ])('does not understand %j, and says why', async (args, why) => {
    const given = process.env['BROKER_URL'];
    delete process.env['BROKER_URL'];
    const { code, out, error } = await letters(...args).finally(() => {
      if (given !== undefined) process.env['BROKER_URL'] = given;
    });
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(error).toContain(why);
  });

  it.each(['2h', '2026-02-20', '2026-02-20T10:00Z', '2026-02-20T10:00:30.5+01:00'])(
    'takes %s for a time',
    async (time) => {
      expect(await letters('list', ...NOWHERE, '--since', time, '--until', time)).toMatchObject({ code: 0 });
    },
  );

  it('tells the number of a line that is malformed, and ends with 1', async () => {
    const input = () => Readable.from(['\n{ "half": ']);
    const { code, out, error } = await commandWith({ input }, 'dead-letters', 'import', ...NOWHERE);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(error).toMatch(/^0 imported; the rest is as it was\nINVALID_MESSAGE: line 2 is no dead letter/);
  });

  it('overwrites no file', async () => {
    const file = join(folder, 'letters.jsonl');
    writeFileSync(file, 'kept');
    const { code, error } = await letters('export', ...NOWHERE, '--file', file);
    expect(code).toBe(2);
    expect(error).toContain('it is there already; give another name');
    expect(readFileSync(file, 'utf8')).toBe('kept');
  });

  it('exports to a file that nobody else may read', async () => {
    const file = join(folder, 'letters.jsonl');
    const { code, out } = await letters('export', ...NOWHERE, '--file', file, '--json');
    expect({ code, result: JSON.parse(out) }).toEqual({ code: 0, result: { count: 0 } });
    expect(existsSync(file)).toBe(true);
  });

  it('that is told to end while it waits for input ends with 130, and says how far it came', async () => {
    const stop = new AbortController();
    const input = () => {
      const never = new Readable({ read: () => stop.abort(new InterruptedError()) });
      return never;
    };
    const terminal = { input, interruption: () => stop.signal };
    expect(await commandWith(terminal, 'dead-letters', 'import', ...NOWHERE, '--json')).toEqual({
      code: 130,
      out: `${JSON.stringify({ count: 0, complete: false }, null, 2)}\n`,
      error: '0 imported; the rest is as it was\ninterrupted\n',
    });
  });

  it('says that a broker cannot be reached, without its password', async () => {
    const { code, out, error } = await letters('list', ...UNREACHABLE);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(error).toMatch(/^CONNECTION: RabbitMQ at 127\.0\.0\.1:1 cannot be reached/);
    expect(error).not.toContain('s3cret');
  }, 60_000);

  it.each([
    ['list', '--urll=amqp://someone:s3cret@127.0.0.1:1'],
    ['show', 'amqp://someone:s3cret@127.0.0.1:1', ...NOWHERE],
    ['amqp://someone:s3cret@127.0.0.1:1', 'list'],
  ])('quotes no password of who mistypes: %j', async (...args) => {
    const { code, out, error } = await letters(...args);
    expect(code).not.toBe(0);
    expect(error).toContain('amqp://…@127.0.0.1:1');
    expect(out + error).not.toContain('s3cret');
  });
});
