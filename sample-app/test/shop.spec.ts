import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { FIRST_ORDERS } from '../src/first-orders.js';
import { SERVICES } from '../src/services.js';
import { describeHere } from '../../test/support/describe-here.js';
import { sharedBrokers, type SharedBroker } from './brokers.js';
import { build, ShopProcess } from './processes.js';
import { Shop } from './shop.js';

jest.setTimeout(60_000);
beforeAll(build, 300_000);

const WHOLE = [[]];
/** A process for each service, and one more that packs. */
const SPLIT = [...Object.keys(SERVICES), 'packing'].map((name) => ['--service', name]);

const onMemory: Record<string, string> = {};
const on = (broker: SharedBroker): Record<string, string> & { readonly NAMESPACE: string } => ({
  ...broker.env?.(),
  BROKER_URL: broker.url(),
  NAMESPACE: `shop-${randomBytes(4).toString('hex')}`,
});

/** The same for every broker, and however many processes there are. */
function showsEveryPattern(broker: SharedBroker | undefined, commands: string[][]): void {
  let shop: Shop;
  let namespace: string | undefined;
  let good: string;
  let flaky: string;
  let blocked: string;

  beforeAll(async () => {
    const env: Record<string, string> = broker ? on(broker) : onMemory;
    namespace = env['NAMESPACE'];
    shop = new Shop(env);
    await shop.open(...commands);
    if (commands === SPLIT) for (const order of FIRST_ORDERS) await shop.place(order);
    const idOf = async (customer: string): Promise<string> => {
      const line = await shop.line(new RegExp(`^\\S+ orders +order.placed +\\S+  ${customer} orders`));
      return line.split(/ +/)[3]!;
    };
    good = await idOf('Ada');
    flaky = await idOf('Bob');
    blocked = await idOf('Cleo');
  });

  afterAll(async () => {
    // Neither is there where the broker's address is not.
    await shop?.close();
    if (namespace !== undefined) await broker?.removeAll(namespace);
  });

  it('publish and subscribe: every group gets each event, once', async () => {
    await shop.hears(good, 'notifications', 'review.due');
    // Where a pattern's topics have to be looked for, the first of them come later.
    await shop.hears(good, 'analytics', 'order.placed');
    expect({
      payments: shop.told(good, 'payments', 'order.placed'),
      inventory: shop.told(good, 'inventory', 'order.placed'),
      notifications: shop.told(good, 'notifications', 'order.placed'),
      analytics: shop.told(good, 'analytics', 'order.placed'),
    }).toEqual({
      payments: ['paid'],
      inventory: ['reserves mug, poster'],
      notifications: ['mail to Ada: thank you for your order'],
      analytics: [expect.stringContaining('so far')],
    });
  });

  it('a work queue: two workers share the parcels, each parcel is packed once', async () => {
    const packed: string[][] = [];
    const pack = async (order: string): Promise<void> => {
      for (const line of await shop.hears(order, 'packing', 'parcel.pack', 2))
        packed.push(/^(packer \S+) has packed the (\w+)$/.exec(line)!.slice(1));
    };
    await pack(good);
    await pack(flaky);
    expect(packed.map(([, item]) => item).sort()).toEqual(['cap', 'mug', 'poster', 'shirt']);
    // Where workers share partitions rather than tasks, a few tasks may all be one worker's.
    while (new Set(packed.map(([packer]) => packer)).size < 2)
      await pack(await shop.place({ customer: 'Gus', items: ['mug', 'cap'], card: 'good' }));
    for (const order of [good, flaky]) expect(shop.told(order, 'packing', 'parcel.pack')).toHaveLength(2);
  });

  it('a retry that succeeds: the third attempt at a payment', async () => {
    expect(await shop.hears(flaky, 'payments', 'order.placed', 3)).toEqual([
      'failed: the bank does not answer',
      'failed: the bank does not answer (attempt 2)',
      'paid (attempt 3)',
    ]);
    await shop.hears(flaky, 'orders', 'parcel.packed', 2);
  });

  it('a dead letter: seen on the terminal and on the page, and handled when it is redriven', async () => {
    const told = ['failed: the card is blocked', 'dead letter: the card is blocked'];
    expect(await shop.hears(blocked, 'payments', 'order.placed', 2)).toEqual(told);
    expect(shop.told(blocked, 'inventory', 'order.paid')).toEqual([]);

    const { deadLetter } = await shop.note(blocked, 'payments', 'order.placed', 'blocked', 'dead letter');
    const response = await shop.post(`/dead-letters/${deadLetter}/redrive`);
    expect(await response.json()).toEqual({ redriven: 1 });
    expect(await shop.hears(blocked, 'payments', 'order.placed', 3)).toEqual([...told, 'paid']);
    await shop.hears(blocked, 'notifications', 'order.shipped');
  });

  it('a delayed message: the review is asked for three seconds after the order has left', async () => {
    const shipped = await shop.note(good, 'notifications', 'order.shipped', 'on its way');
    const asked = await shop.note(good, 'notifications', 'review.due', 'how do you like it');
    const seconds = (Date.parse(asked.at) - Date.parse(shipped.at)) / 1_000;
    expect(seconds).toBeGreaterThan(2.5);
    expect(seconds).toBeLessThan(5);
  });

  it('wildcards: analytics counts all events of an order', async () => {
    for (const topic of ['order.placed', 'order.paid', 'order.shipped'])
      expect(await shop.hears(good, 'analytics', topic)).toEqual([expect.stringMatching(/^\d+ so far$/)]);
  });

  it('the page: an order placed there brings the news of every service', async () => {
    const page = await fetch(shop.url);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await page.text()).toContain('<title>A shop of several services</title>');

    const order = await shop.place({ customer: 'Dora', items: ['cap'], card: 'good' });
    await shop.note(order, 'orders', 'order.placed', 'Dora orders cap');
    await shop.note(order, 'payments', 'order.placed', 'paid');
    await shop.note(order, 'inventory', 'order.paid', 'to be packed');
    await shop.note(order, 'packing', 'parcel.pack', 'has packed the cap');
    await shop.note(order, 'orders', 'parcel.packed', 'the order leaves');
    await shop.note(order, 'notifications', 'order.shipped', 'mail to Dora');
    await shop.note(order, 'analytics', 'order.shipped', 'so far');
  });

  it('an order that makes no sense is refused, and says why', async () => {
    const response = await shop.post('/orders', { customer: 'Dora', items: ['tiger'], card: 'good' });
    expect(response.status).toBe(400);
    expect(JSON.stringify(await response.json())).toContain('items[0]');
  });

  it('SIGTERM: every process ends by itself, at work and with a page open', async () => {
    const order = await shop.place({ customer: 'Eve', items: ['mug', 'cap'], card: 'good' });
    await shop.hears(order, 'inventory', 'order.paid');
    const endings = await Promise.all(shop.processes.map((process) => process.stop()));
    const broken = shop.lines.filter((line) => /ending at once|closing failed|^ +at /.test(line));
    expect({ endings, broken }).toEqual({ endings: endings.map(() => 'SIGTERM'), broken: [] });
  }, 15_000);
}

describe('the shop on memory', () => {
  showsEveryPattern(undefined, WHOLE);

  it.each([
    [['--service', 'payments'], 'set BROKER_URL to amqp://'],
    [['--service', 'sales'], 'the shop has orders, payments, inventory, packing, notifications, analytics'],
    [['--serve'], '--serve'],
  ])('refuses %j, and says what to do', async (args, advice) => {
    const shop = new ShopProcess(args, onMemory);
    expect(await shop.ending()).toBe(1);
    expect(shop.output).toContain(advice);
  });
});

function runsOn(broker: SharedBroker): void {
  describe('in one process', () => showsEveryPattern(broker, WHOLE));

  describe('in one process per service', () => showsEveryPattern(broker, SPLIT));

  describe('in one process that becomes several', () => {
    const shops: Shop[] = [];
    let namespace: string | undefined;

    afterAll(async () => {
      await Promise.all(shops.map((shop) => shop.close()));
      if (namespace !== undefined) await broker.removeAll(namespace);
    });

    it('keeps its queues: what waits for the one is handled by the several', async () => {
      const env = on(broker);
      const own = (namespace = env.NAMESPACE);
      const [whole, split] = [new Shop(env), new Shop(env)];
      shops.push(whole, split);

      await whole.open(...WHOLE);
      await whole.line(/packing +parcel.pack/);
      const before = await broker.workers?.(own);
      if (before) expect(before[broker.packers!]).toBe(2);
      await Promise.all(whole.processes.map((process) => process.stop()));

      // Nobody is there now, and who sends this has never heard of the module.
      const order = { id: 'late', customer: 'Fay', items: ['mug'], card: 'good' };
      await broker.publish(own, 'order.placed', order, order.id);

      await split.open(...SPLIT);
      expect(await split.hears(order.id, 'payments', 'order.placed')).toEqual(['paid']);
      expect(await split.hears(order.id, 'inventory', 'order.placed')).toEqual(['reserves mug']);
      await split.hears(order.id, 'analytics', 'order.placed');
      await split.hears(order.id, 'notifications', 'order.shipped');
      expect(await broker.workers?.(own)).toEqual(before);
      // In order, so that the broker has forgotten them when all is removed.
      await Promise.all(split.processes.map((process) => process.stop()));
    });
  });
}

for (const broker of sharedBrokers)
  describeHere(`the shop on ${broker.name}`, broker.missing, () => runsOn(broker));
