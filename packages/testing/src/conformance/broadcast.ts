import assert from 'node:assert/strict';
import { concern, type Guarantee } from './guarantee.js';
import { acknowledge, deadLetter, inTurn, release } from './probe.js';
import type { Stage } from './stage.js';

const support: Guarantee['support'] = ({ broadcast }) => broadcast;

export const broadcasts = concern('Broadcast', (states) => {
  const broadcast = (name: string, run: (stage: Stage) => Promise<void>): void =>
    states(name, run, { support, refusal: refuse });

  broadcast('Every process gets every message of a broadcast', async ({ open, topic, until }) => {
    const applications = [await open(), await open(), await open()];
    const probes = await Promise.all(
      applications.map((application) => application.subscribe(topic(), { broadcast: true })),
    );
    const group = await applications[0]!.subscribe(topic());
    for (const body of ['a', 'b']) await applications[0]!.publish(topic(), body);
    await until(
      () => [...probes, group].every(({ seen }) => seen.length >= 2),
      'two messages in each process',
    );
    for (const { texts } of [...probes, group]) assert.deepEqual([...texts].sort(), ['a', 'b']);
  });

  broadcast('A broadcast begins with its process and ends with it', async ({ open, topic, until }) => {
    const first = await open();
    await first.publish(topic(), 'before');
    const before = await first.subscribe(topic(), { broadcast: true });
    await first.publish(topic(), 'during');
    await until(() => before.seen.length > 0, 'the message in the first process');
    assert.deepEqual(before.texts, ['during']);
    await first.transport.close();
    const second = await open();
    await second.publish(topic(), 'between');
    const after = await second.subscribe(topic(), { broadcast: true });
    await second.publish(topic(), 'after');
    await until(() => after.texts.includes('after'), 'the message in the second process');
    assert.deepEqual(after.texts, ['after']);
  });

  broadcast('A broadcast that stops leaves the others running', async ({ open, topic, until }) => {
    const [one, two] = [await open(), await open()];
    const stopped = await one.subscribe(topic(), { broadcast: true });
    const running = await two.subscribe(topic(), { broadcast: true });
    await stopped.consumer.stop();
    await two.publish(topic(), 'on');
    await until(() => running.seen.length === 1, 'the message in the one that runs');
    assert.deepEqual(stopped.texts, []);
  });

  broadcast(
    'A broadcast’s message that is set aside is gone, and the next one comes',
    async ({ open, topic, until }) => {
      const application = await open();
      const probe = await application.subscribe(topic(), { broadcast: true, maxUnsettled: 1 }, ({ text }) =>
        text === 'bad' ? deadLetter() : acknowledge,
      );
      await application.publish(topic(), 'bad');
      await until(() => probe.texts.includes('bad'), 'the one that is set aside');
      await application.publish(topic(), 'good');
      await until(() => probe.texts.includes('good'), 'the next message');
      assert.deepEqual(probe.texts, ['bad', 'good']);
    },
  );

  broadcast('A broadcast’s message that is released comes again', async ({ open, topic, until }) => {
    const application = await open();
    const probe = await application.subscribe(topic(), { broadcast: true }, inTurn(release, acknowledge));
    await application.publish(topic(), 'again');
    await until(() => probe.seen.length === 2, 'it twice');
    assert.deepEqual(
      probe.seen.map(({ attempt }) => attempt),
      [1, 1],
    );
  });
});

async function refuse({ serve, topic }: Stage): Promise<void> {
  const starting = serve([{ on: topic(), options: { broadcast: true }, handle() {} }]);
  await assert.rejects(starting, { code: 'UNSUPPORTED' });
}
