import assert from 'node:assert/strict';
import { concern, type Guarantee } from './guarantee.js';
import type { Stage } from './stage.js';

const support: Guarantee['support'] = ({ patterns }) => patterns;

const topics = [
  'order',
  'order.placed',
  'order.cancelled',
  'order.placed.late',
  'order.a.b.placed',
  'customer.placed',
];

export const patterns = concern('Patterns', (states) => {
  const pattern = (name: string, run: (stage: Stage) => Promise<void>): void =>
    states(name, run, { support, refusal: refuse });

  /** Publishes all topics and compares what the pattern lets through. */
  const lets =
    (text: string, expected: string[]) =>
    async ({ open, topic, until }: Stage): Promise<void> => {
      const application = await open();
      const probe = await application.subscribe(topic(text));
      // What was published last comes last: nothing that the pattern must not let through can come later.
      const all = [...topics.filter((name) => !expected.includes(name)), ...expected];
      for (const name of all) await application.publish(topic(name), name);
      await until(() => probe.seen.length >= expected.length, `${expected.length} messages`);
      assert.deepEqual([...probe.texts].sort(), [...expected].sort());
    };

  pattern('`*` stands for one word', lets('order.*', ['order.placed', 'order.cancelled']));
  pattern(
    '`#` stands for any number of words, none included',
    lets('order.#', ['order', 'order.placed', 'order.cancelled', 'order.placed.late', 'order.a.b.placed']),
  );
  pattern('`*` can stand at the beginning', lets('*.placed', ['order.placed', 'customer.placed']));
  pattern('`#` can stand in the middle', lets('order.#.placed', ['order.placed', 'order.a.b.placed']));
  pattern(
    '`*` and `#` can stand together',
    lets('*.#.placed', ['order.placed', 'order.a.b.placed', 'customer.placed']),
  );

  pattern(
    'A message under a pattern says which topic it was published under',
    async ({ open, topic, until }) => {
      const application = await open();
      const probe = await application.subscribe(topic('order.*'));
      await application.publish(topic('order.placed'));
      await until(() => probe.seen.length === 1, 'the message');
      assert.deepEqual(probe.seen[0]!.message.destination, { kind: 'topic', name: topic('order.placed') });
    },
  );

  pattern('A pattern that fits in several ways delivers once', async ({ open, topic, until }) => {
    const application = await open();
    const probe = await application.subscribe(topic('#.a.#'), { maxUnsettled: 1 });
    await application.publish(topic('a.b.a.a'), 'once');
    await until(() => probe.texts.includes('once'), 'the message');
    await application.publish(topic('a.b.a.a'), 'last');
    await until(() => probe.texts.includes('last'), 'the last message');
    assert.deepEqual(probe.texts, ['once', 'last']);
  });

  pattern('A topic and a pattern that covers it are two subscriptions', async ({ open, topic, until }) => {
    const application = await open();
    const exact = await application.subscribe(topic('order.placed'));
    const wide = await application.subscribe(topic('order.*'));
    await application.publish(topic('order.placed'));
    await until(() => exact.seen.length === 1 && wide.seen.length === 1, 'the message in both');
  });

  pattern('Patterns never match the module’s own resources', async ({ open, topic, until, clock }) => {
    const application = await open();
    const all = await application.subscribe(topic('#'), { maxUnsettled: 1 });
    const failing = await application.subscribe(topic('order.placed'), {}, ({ attempt }) =>
      attempt < 2
        ? { type: 'retry', delay: 0, failure: { name: 'E', message: 'e', at: clock.now() } }
        : { type: 'dead-letter', failure: { name: 'E', message: 'e', at: clock.now() }, attempts: 1 },
    );
    await application.publish(topic('order.placed'), 'once');
    await until(
      async () => (await application.deadLetters(failing.subscription)).length === 1,
      'the dead letter of the other subscription',
    );
    await until(() => all.texts.includes('once'), 'the message itself');
    await application.publish(topic('order.last'), 'last');
    await until(() => all.texts.includes('last'), 'the last message');
    assert.deepEqual(all.texts, ['once', 'last']);
  });
});

export async function refuse({ serve, topic }: Stage): Promise<void> {
  const starting = serve([{ on: topic('order.*'), handle() {} }]);
  await assert.rejects(starting, { code: 'UNSUPPORTED' });
}
