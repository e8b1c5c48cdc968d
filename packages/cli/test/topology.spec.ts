import { describe, expect, it } from '@jest/globals';
import { command } from './command.js';

const APP = ['--app', 'application.mjs#AppModule'];
/** Nothing listens at any of them. */
const URLS = {
  rabbitmq: 'amqp://someone:s3cret@127.0.0.1:1/orders',
  kafka: 'kafka://someone:s3cret@127.0.0.1:1',
  aws: 'aws://eu-west-1',
  memory: 'memory:',
};
const WORDS = ['--url', 'memory:', '--service', 's'];
const DOING =
  '--service billing --namespace shop --publish invoice.sent --handle order.placed --handle order.#@audit --work invoices --broadcast cache.cleared --ordered order.placed'.split(
    ' ',
  );

describe('nest-messaging topology', () => {
  it('lists what an application is on its broker', async () => {
    const { code, out } = await command('topology', ...APP);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^at start +queue +shop\.billing\.order\.placed--ordered {2}x-queue-type=quorum .*x-single-active-consumer=true$/m,
    );
    expect(out).toMatch(/^at start +binding +shop → shop\.audit\.order\.\* {2}to=queue {2}key=order\.\*$/m);
    expect(out).toMatch(/^when needed +queue +shop\.billing--delay-22 /m);
  });

  it.each([
    ['rabbitmq', ['queue shop.billing.order.placed--ordered', 'queue shop.billing.cache.cleared--live-*']],
    ['kafka', ['topic shop.invoices--queue', 'consumer group shop.audit.order.--all']],
    ['aws', ['queue shop_billing_order_placed.fifo', 'topic shop_invoice_sent']],
    ['memory', ['queue shop.billing.order.placed', 'queue shop.invoices']],
  ] as const)('needs no application, but a URL: %s', async (broker, expected) => {
    const { code, out, error } = await command('topology', '--url', URLS[broker], ...DOING, '--json');
    expect({ code, error }).toEqual({ code: 0, error: '' });
    const [{ resources }] = JSON.parse(out) as [{ resources: { kind: string; name: string }[] }];
    const names = resources.map(({ kind, name }) => `${kind} ${name}`);
    for (const name of expected) expect(names).toContain(name);
    expect(new Set(names).size).toBeGreaterThan(1);
  });

  it('prints permissions of RabbitMQ, as they are granted', async () => {
    const { out } = await command(
      'topology',
      '--url',
      URLS.rabbitmq,
      ...DOING,
      '--rights',
      '--topology',
      'validate',
    );
    expect(out).toBe(
      "rabbitmqctl set_permissions -p 'orders' USER '^(shop\\.billing\\.cache\\.cleared--live-.*)$' " +
        "'^(amq\\.default|shop|shop\\.billing--delay-[0-9]+|shop\\.billing\\.cache\\.cleared--live-.*)$' " +
        "'^(shop|shop\\.audit\\.order\\.#|shop\\.audit\\.order\\.#--dead|shop\\.audit\\.order\\.#--suspect|" +
        'shop\\.billing\\.cache\\.cleared--live-.*|shop\\.billing\\.order\\.placed--dead|' +
        'shop\\.billing\\.order\\.placed--ordered|shop\\.billing\\.order\\.placed--suspect|' +
        "shop\\.invoices|shop\\.invoices--dead|shop\\.invoices--suspect)$'\n",
    );
  });

  it('prints ACLs of Kafka, as they are granted', async () => {
    const { out } = await command('topology', '--url', URLS.kafka, ...DOING, '--rights');
    const lines = out.trimEnd().split('\n');
    expect(lines).toContain(
      "kafka-acls --bootstrap-server 127.0.0.1:1 --add --allow-principal User:USER --operation Write --operation Create --topic 'shop.invoice.sent' --resource-pattern-type literal",
    );
    expect(lines).toContain(
      "kafka-acls --bootstrap-server 127.0.0.1:1 --add --allow-principal User:USER --operation Read --topic 'shop.order.' --resource-pattern-type prefixed",
    );
    expect(out).not.toContain('s3cret');
  });

  it('prints a policy of AWS, as it is granted', async () => {
    const { out } = await command('topology', '--url', URLS.aws, ...DOING, '--rights', '--topology', 'none');
    const { Statement } = JSON.parse(out) as { Statement: { Sid: string; Resource: string[] }[] };
    expect(Statement.map(({ Sid }) => Sid)).toEqual([
      'Anywhere',
      'Publish',
      'Handle',
      'DeadLetters',
      'Broadcast',
      'BroadcastTopics',
      'Delays',
    ]);
    expect(Statement[1]!.Resource).toContain('arn:aws:sns:eu-west-1:*:shop_invoice_sent');
  });

  it('tells what is refused on standard error, and ends with 1', async () => {
    const { code, out, error } = await command(
      ...`topology --url ${URLS.kafka} --service billing --handle a --handle a`.split(' '),
    );
    expect(code).toBe(1);
    expect(out).toMatch(/topic +a /);
    expect(error).toMatch(/^REGISTRATION: --handle a is provided/);
  });

  it.each(['explain', 'topology', 'doctor'])(
    'ends with 1, as %s, where the application would not start for what is of no connection',
    async (name) => {
      const { code, out, error } = await command(name, '--app', 'application.mjs#astray');
      expect(code).toBe(1);
      expect(out + error).toMatch(/Astray\.bill.*'?nowhere'?/);
    },
  );

  it('has no need of BROKER_URL where there is an application, and takes no offence at it', async () => {
    const given = process.env['BROKER_URL'];
    process.env['BROKER_URL'] = URLS.kafka;
    const ended = await command('topology', ...APP, '--rights', '--topology', 'validate').finally(() => {
      if (given === undefined) delete process.env['BROKER_URL'];
      else process.env['BROKER_URL'] = given;
    });
    expect(ended).toMatchObject({ code: 0, out: expect.stringContaining('rabbitmqctl set_permissions') });
  });

  it.each([
    [[], 'neither --app nor --url'],
    [['--url', 'memory:'], '--service is missing'],
    [['--url', 'redis://host', '--service', 's'], "the broker URL begins with 'redis:'"],
    [
      ['--url', 'memory:', '--service', 's', '--topology', 'all'],
      'Allowed choices are create, validate, none',
    ],
    [[...APP, '--connection', 'audit'], 'the application has default'],
    [[...WORDS, '--connection', 'audit'], 'only an application has several'],
    [['--url', 'memory:', '--service', 'a.b'], 'service "a.b" holds a dot'],
    [[...WORDS, '--namespace', 'a.b'], 'namespace "a.b" holds a dot'],
    [[...WORDS, '--handle', 'a', '--work', 'b', '--ordered', 'c'], 'that are named, which are a, b'],
    [[...WORDS, '--publish', 'a', '--ordered', 'A'], 'that are named, which are a'],
    [[...WORDS, '--ordered', 'c'], 'that are named, and there are none'],
    [[...WORDS, '--handle', 'a@b@c'], '--handle a@b@c: expected an event, or event@group'],
    [[...WORDS, '--broadcast', 'a@b@c'], '--broadcast a@b@c: expected'],
    [[...APP, ...WORDS], 'leave out --url, --service, or --app'],
    ...['namespace', 'publish', 'enqueue', 'handle', 'work', 'broadcast', 'ordered'].map(
      (flag): [string[], string] => [[...APP, `--${flag}`, 'a'], `leave out --${flag}, or --app`],
    ),
    [[...APP, '--topology', 'validate'], 'leave out --topology, or --app'],
  ])('does not understand %j, and says why', async (args, why) => {
    const { code, out, error } = await command('topology', ...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(error).toContain(why);
  });
});
