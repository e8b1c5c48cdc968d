import assert from 'node:assert/strict';
import { concern } from './guarantee.js';

export const topology = concern('Topology', (states) => {
  for (const mode of ['validate', 'none'] as const) {
    states(`With topology '${mode}', a missing subscription is refused by name`, async ({ open, topic }) => {
      await open();
      const application = await open({ topology: mode });
      await assert.rejects(application.subscribe(topic('missing')), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'TOPOLOGY');
        assert.ok(error.message.includes(topic('missing')), `'${error.message}' does not name the topic`);
        return true;
      });
    });

    states(`With topology '${mode}', what exists is used`, async ({ open, topic, queue, until }) => {
      const creating = await open();
      await creating.subscribe(topic());
      await creating.subscribe(queue());
      await creating.transport.close();
      const application = await open({ topology: mode });
      const ofTopic = await application.subscribe(topic());
      const ofQueue = await application.subscribe(queue());
      await application.publish(topic(), 'event');
      await application.publish(queue(), 'task');
      await until(() => ofTopic.seen.length === 1 && ofQueue.seen.length === 1, 'both messages');
    });

    states(
      `With topology '${mode}', a message for a missing queue is refused`,
      async ({ open, queue, topic }) => {
        await open();
        const application = await open({ topology: mode });
        await assert.rejects(application.publish(queue('missing')), { code: 'PUBLISH_REJECTED' });
        await application.publish(topic('nobody')); // a topic nobody subscribes to is no error
      },
    );
  }

  states('Connecting and subscribing again changes nothing on the broker', async ({ open, topic, until }) => {
    for (let i = 0; i < 3; i++) {
      const application = await open();
      const probe = await application.subscribe(topic(), { maxUnsettled: i + 1 });
      await application.publish(topic(), `${i}`);
      await until(() => probe.seen.length > 0, `the message of start ${i + 1}`);
      assert.deepEqual(probe.texts, [`${i}`]);
      await application.transport.close();
    }
  });

  states('Options for a broker that it does not know are refused', async ({ open, topic }) => {
    const application = await open();
    await assert.rejects(application.subscribe(topic(), { brokerOptions: { noSuchOption: true } }), {
      code: 'CONFIGURATION',
    });
  });
});
