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
        const creating = await open();
        await creating.publish(topic('nobody'));
        const application = await open({ topology: mode });
        await assert.rejects(application.publish(queue('missing')), { code: 'PUBLISH_REJECTED' });
        // A topic that nobody subscribes to is no error; where topics are made, this one was.
        await application.publish(topic('nobody'));
      },
    );
  }

  states(
    'Starting again changes nothing on the broker, whatever the handler’s options are by then',
    async ({ open, topic, until }) => {
      const publishing = await open();
      for (let start = 1; start <= 3; start++) {
        const application = await open();
        const probe = await application.subscribe(topic(), { maxUnsettled: start });
        if (start > 1) {
          await until(
            () => probe.seen.length > 0 && probe.unsettled === 0,
            `what was published before start ${start}`,
          );
          assert.deepEqual(probe.texts, [`before start ${start}`]);
        }
        await application.transport.close();
        await publishing.publish(topic(), `before start ${start + 1}`);
      }
    },
  );

  states('Options for a broker that it does not know are refused', async ({ open, topic }) => {
    const application = await open();
    await assert.rejects(application.subscribe(topic(), { brokerOptions: { noSuchOption: true } }), {
      code: 'CONFIGURATION',
    });
  });
});
