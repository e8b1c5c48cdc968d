import assert from 'node:assert/strict';
import { subscriptionName } from '@nest-messaging/core/contract';
import { concern } from './guarantee.js';
import { deadLetter } from './probe.js';

export const naming = concern('Naming', (states) => {
  states('Namespaces keep applications apart', async ({ open, topic, group, until }) => {
    const [red, blue] = [await open({ namespace: group('red') }), await open({ namespace: group('blue') })];
    const inRed = await red.subscribe(topic());
    const inBlue = await blue.subscribe(topic());
    const pattern = await blue.subscribe(topic('#'), { group: group('all') });
    await red.publish(topic(), 'red');
    await blue.publish(topic(), 'blue');
    await until(
      () => inRed.seen.length > 0 && inBlue.seen.length > 0 && pattern.seen.length > 0,
      'the messages',
    );
    assert.deepEqual([inRed.texts, inBlue.texts, pattern.texts], [['red'], ['blue'], ['blue']]);
    assert.equal(inRed.seen[0]!.message.destination.name, topic(), 'the namespace is part of the topic');
  });

  states(
    'The longest name that is allowed works, dead letters included',
    async ({ open, topic, group, until }) => {
      const application = await open();
      const { namespace } = application.environment;
      const short = { source: { kind: 'topic', name: topic('x') }, group: group() } as const;
      const room = 64 - subscriptionName(namespace, short).length;
      const long = topic('x'.repeat(room + 1));
      assert.equal(
        subscriptionName(namespace, { ...short, source: { kind: 'topic', name: long } }).length,
        64,
      );
      const probe = await application.subscribe(long, {}, () => deadLetter());
      await application.publish(long, { delay: 1 });
      await until(
        async () => (await application.deadLetters(probe.subscription)).length === 1,
        'the dead letter',
      );
      assert.throws(
        () => subscriptionName(namespace, { ...short, source: { kind: 'topic', name: `${long}x` } }),
        { code: 'CONFIGURATION' },
      );
    },
  );
});
