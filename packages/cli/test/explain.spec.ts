import { describe, expect, it } from '@jest/globals';
import type { Explanation } from '@nest-messaging/core';
import { command } from './command.js';

const APP = 'application.mjs#AppModule';

describe('nest-messaging explain', () => {
  it('tells what an application is on its broker, which nobody connects to', async () => {
    const { code, out, error } = await command('explain', '--app', APP);
    expect({ code, error }).toEqual({ code: 0, error: '' });
    expect(out).toMatch(/^connection default: rabbitmq, service billing, namespace shop, topology create\n/);
    expect(out).toMatch(
      /Billing\.bill +topic order\.placed +billing +shop\.billing\.order\.placed--ordered +order: native, delay: emulated, retries: emulated, crashes: native\n/,
    );
    expect(out).toMatch(/topic invoice\.sent +exchange shop +delay: emulated\n/);
    expect(out).toMatch(/order +native +a queue with a single active consumer\n/);
    expect(out).not.toContain('s3cret');
  });

  it('is JSON for programs', async () => {
    const { code, out } = await command('explain', '--app', APP, '--json');
    const { connections, refusals } = JSON.parse(out) as Explanation;
    expect({ code, refusals }).toEqual({ code: 0, refusals: [] });
    expect(connections[0]!.handlers.map(({ subscription }) => subscription)).toEqual([
      'shop.billing.order.placed--ordered',
      'shop.audit.order.*',
      'shop.invoices',
    ]);
    expect(connections[0]!.rights.validate.granted).toMatchObject({ vhost: '/', configure: '^$' });
    expect(out).not.toContain('s3cret');
  });

  it('is a flowchart', async () => {
    const { code, out } = await command('explain', '--app', APP, '--mermaid');
    expect(code).toBe(0);
    expect(out).toMatch(/^flowchart LR\n/);
  });

  it.each(['default-export.cjs', 'default-export.cjs#default', 'bundle.cjs', 'bundle.cjs#AppModule'])(
    'finds the root module in CommonJS: %s',
    async (app) => {
      const { code, out, error } = await command('explain', '--app', app);
      expect({ code, error }).toEqual({ code: 0, error: '' });
      expect(out).toMatch(/^connection default: memory, service billing/);
    },
  );

  it('ends with 1 where the application would not start, and says why', async () => {
    const { code, out } = await command('explain', '--app', 'application.mjs#demanding');
    expect(code).toBe(1);
    expect(out).toContain(
      "- UNSUPPORTED: Demanding.wait (topic 'order.placed' of group 'demanding') needs a timeout of 120 min, which rabbitmq cannot give",
    );
  });

  it('ends with 1 where the application cannot be made, and says why', async () => {
    const { code, out, error } = await command('explain', '--app', 'application.mjs#misconfigured');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(error).toMatch(/^CONFIGURATION: unknown option MessagingModule options\.brokr: valid are/);
  });

  it.each([
    [[], '--app <module>'],
    [['--app', 'nowhere.js'], 'there is no file'],
    [['--app', 'application.mjs#Nothing'], "it exports no 'Nothing'; it exports AppModule, "],
    [['--app', 'bundle.cjs#Nothing'], "it exports no 'Nothing'; it exports AppModule, SilentModule: name"],
    [['--app', 'default-export.cjs#AppModule'], "it exports no 'AppModule'; it exports default: name"],
    [['--app', 'application.mjs#SilentModule'], 'has no MessagingModule.forRoot'],
    [['--app', APP, '--jsn'], "unknown option '--jsn'"],
  ])('does not understand %j, and says why', async (args, why) => {
    const { code, out, error } = await command('explain', ...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(error).toContain(why);
  });
});

describe('nest-messaging', () => {
  it('says what there is, and what it ends with', async () => {
    const { code, out } = await command('--help');
    expect(code).toBe(0);
    for (const word of ['explain', 'topology', 'doctor', 'asyncapi', 'ends with 0'])
      expect(out).toContain(word);
  });

  it('has examples for each command', async () => {
    for (const name of ['explain', 'topology', 'doctor', 'asyncapi']) {
      const { code, out } = await command(name, '--help');
      expect(code).toBe(0);
      expect(out).toContain(`nest-messaging ${name} --app`);
    }
  });

  it('does not understand a command that it does not have', async () => {
    expect(await command('explian')).toMatchObject({
      code: 2,
      error: expect.stringContaining('Did you mean explain?'),
    });
  });
});
