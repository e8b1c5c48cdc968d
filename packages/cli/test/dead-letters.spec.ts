import { describe, expect, it } from '@jest/globals';
import { command } from './command.js';

/** What is seen before any broker is asked. */
const NOWHERE = ['--url', 'amqp://127.0.0.1:1', '--service', 'billing', '--topic', 'order.placed'];
const UNREACHABLE = ['--url', 'amqp://someone:s3cret@127.0.0.1:1', ...NOWHERE.slice(2)];

/** What has to be said beside. */
const CHOICE: Readonly<Record<string, readonly string[]>> = { redrive: ['--all'], purge: ['--all', '--yes'] };

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
    [['list', '--service', 'billing', '--topic', 'a'], '--url is missing'],
    [['list', '--url', 'amqp://127.0.0.1:1', '--topic', 'a'], '--service is missing'],
    [['list', '--url', 'amqp://127.0.0.1:1', '--service', 'billing'], 'neither --topic nor --queue'],
    [['list', ...NOWHERE, '--queue', 'a'], "cannot be used with option '--topic <topic>'"],
    [['list', ...NOWHERE, '--group', 'a.b'], 'group "a.b" holds a dot'],
    [['list', ...NOWHERE, '--service', 'a.b'], 'service "a.b" holds a dot'],
    [['list', ...NOWHERE, '--namespace', 'a.b'], 'namespace "a.b" holds a dot'],
    [['list', ...NOWHERE.slice(0, -1), 'a b'], 'topic "a b" holds'],
    [['list', ...NOWHERE, '--limit', '0'], 'whole number of 1 or more'],
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
    ...['list', 'redrive', 'purge', 'export', 'import'].map((name): [string[], string] => [
      [name, '--url', 'Memory:', ...NOWHERE.slice(2), ...(CHOICE[name] ?? [])],
      '--url memory: is a broker in the memory of the process',
    ]),
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

  it('says that a broker cannot be reached, without its password', async () => {
    const { code, out, error } = await letters('list', ...UNREACHABLE);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(error).toMatch(/^CONNECTION: RabbitMQ at 127\.0\.0\.1:1 cannot be reached/);
    expect(error).not.toContain('s3cret');
  }, 60_000);

  it.each([
    ['list', '--urll=amqp://someone:s3cret@127.0.0.1:1'],
    ['amqp://someone:s3cret@127.0.0.1:1', 'list'],
  ])('quotes no password of who mistypes: %j', async (...args) => {
    const { code, out, error } = await letters(...args);
    expect(code).not.toBe(0);
    expect(error).toContain('amqp://…@127.0.0.1:1');
    expect(out + error).not.toContain('s3cret');
  });
});
