import assert from 'node:assert/strict';
import { concern } from './guarantee.js';

export const publishing = concern('Publishing', (states) => {
  states('What is published reaches a handler', async ({ open, topic, until }) => {
    const application = await open();
    const probe = await application.subscribe(topic());
    await application.publish(topic(), 'hello');
    await until(() => probe.seen.length > 0, 'the message');
    assert.deepEqual(probe.texts, ['hello']);
    assert.equal(probe.seen[0]!.attempt, 1);
  });

  states(
    'Once `publish` has resolved, the broker has the message, even if the publisher is gone at once',
    async ({ open, topic, until }) => {
      const handling = await open();
      const publishing = await open();
      const probe = await handling.subscribe(topic());
      const bodies = Array.from({ length: 20 }, (_, i) => `${i}`);
      await Promise.all(bodies.map((body) => publishing.publish(topic(), body)));
      await publishing.transport.close();
      await until(() => new Set(probe.texts).size === bodies.length, 'all that was published');
    },
  );

  states(
    'A subscription gets what is published from the moment it is made',
    async ({ open, topic, until }) => {
      const application = await open();
      for (let i = 0; i < 5; i++) {
        const probe = await application.subscribe(topic(`t${i}`));
        await application.publish(topic(`t${i}`));
        await until(() => probe.seen.length === 1, `the message published right after subscription ${i}`);
      }
    },
  );

  states('A topic that nobody subscribes to takes messages', async ({ open, topic, until }) => {
    const application = await open();
    await application.publish(topic('nobody'));
    const probe = await application.subscribe(topic('somebody'));
    await application.publish(topic('somebody'));
    await until(() => probe.seen.length === 1, 'the message that somebody wants');
  });

  states('Publishes at the same time settle each by itself', async ({ open, topic, until }) => {
    const application = await open();
    const probe = await application.subscribe(topic());
    const bodies = Array.from({ length: 50 }, (_, i) => `${i}`);
    const reason = new Error('not this one');
    const outcomes = await Promise.allSettled(
      bodies.map((body, i) =>
        application.publish(topic(), { body, ...(i % 10 === 3 && { signal: AbortSignal.abort(reason) }) }),
      ),
    );
    const failed = outcomes.flatMap((outcome, i) =>
      outcome.status === 'rejected' ? [[i, outcome.reason]] : [],
    );
    assert.deepEqual(
      failed,
      [3, 13, 23, 33, 43].map((i) => [i, reason]),
    );
    await until(() => new Set(probe.texts).size === 45, 'the 45 that resolved');
  });

  states(
    'A publish whose signal has aborted rejects with the signal’s reason and sends nothing',
    async ({ open, topic, until }) => {
      const application = await open();
      const probe = await application.subscribe(topic());
      const reason = new Error('enough');
      await assert.rejects(
        application.publish(topic(), { body: 'aborted', signal: AbortSignal.abort(reason) }),
        (error) => error === reason,
      );
      await application.publish(topic(), 'last');
      await until(() => probe.texts.includes('last'), 'what was published afterwards');
      assert.deepEqual(probe.texts, ['last']);
    },
  );

  states(
    'A publish waits while the broker takes nothing, and goes through afterwards',
    async ({ open, topic, until, hook }) => {
      const application = await open();
      const probe = await application.subscribe(topic());
      const proceed = await hook('stall')();
      let resolved = false;
      const publish = application.publish(topic(), 'patient').then(() => (resolved = true));
      // That another gives up shows that this one had time enough to resolve.
      await assert.rejects(
        application.publish(topic(), { body: 'impatient', signal: AbortSignal.timeout(100) }),
      );
      assert.equal(resolved, false, 'the publish resolved while the broker took nothing');
      await proceed();
      await publish;
      await until(() => probe.texts.includes('patient'), 'the message that waited');
    },
    { hook: 'stall' },
  );

  states(
    'A publish that waits gives up once its signal aborts, and its message is not sent later',
    async ({ open, topic, until, hook }) => {
      const application = await open();
      const probe = await application.subscribe(topic());
      const proceed = await hook('stall')();
      const limit = new AbortController();
      const reason = new Error('waited long enough');
      // Those that begin together share a signal.
      const rejected = Promise.all(
        ['given up', 'given up with it'].map((body) =>
          assert.rejects(
            application.publish(topic(), { body, signal: limit.signal }),
            (error) => error === reason,
          ),
        ),
      );
      setTimeout(() => limit.abort(reason), 100);
      await rejected;
      await proceed();
      await application.publish(topic(), 'last');
      await until(() => probe.texts.includes('last'), 'what was published afterwards');
      assert.deepEqual(probe.texts, ['last']);
    },
    { hook: 'stall' },
  );

  states(
    'The caller may reuse its bytes and headers once `publish` has resolved',
    async ({ open, topic, until }) => {
      const application = await open();
      const publishing = await open();
      await application.subscribe(topic(), { group: 'keeper' }).then(({ consumer }) => consumer.stop());
      const body = Buffer.from('as it was');
      const headers = { colour: 'red' };
      await publishing.publish(topic(), { body, headers });
      body.fill('x');
      headers.colour = 'blue';
      const probe = await application.subscribe(topic(), { group: 'keeper' });
      await until(() => probe.seen.length === 1, 'the message');
      assert.deepEqual(probe.texts, ['as it was']);
      assert.equal(probe.seen[0]!.message.headers['colour'], 'red');
    },
  );
});
