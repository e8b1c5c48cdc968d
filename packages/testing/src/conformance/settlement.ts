import assert from 'node:assert/strict';
import type { Settlement } from '@nest-messaging/core/contract';
import { concern } from './guarantee.js';
import { acknowledge, behind, deadLetter, forever, gate, inTurn, release, retry } from './probe.js';

export const settlement = concern('Settlement', (states) => {
  states('An acknowledged message never comes again', async ({ open, topic, until }) => {
    const first = await open();
    const before = await first.subscribe(topic());
    await first.publish(topic(), 'done');
    await until(() => before.seen.length === 1 && before.unsettled === 0, 'the message to be handled');
    await first.transport.close();
    const second = await open();
    const after = await second.subscribe(topic());
    await second.publish(topic(), 'next');
    await until(() => after.texts.includes('next'), 'the next message');
    assert.deepEqual(after.texts, ['next']);
  });

  states(
    'A message whose handling has not ended when its process goes is delivered again',
    async ({ open, topic, until }) => {
      const first = await open();
      const before = await first.subscribe(topic(), {}, forever);
      for (const body of ['1', '2', '3']) await first.publish(topic(), body);
      await until(() => before.unsettled === 3, 'three messages in hand');
      await first.transport.close();
      const second = await open();
      const after = await second.subscribe(topic());
      await until(() => new Set(after.texts).size === 3, 'all three again');
    },
  );

  states('Coming back with a process that went uses up no attempt', async ({ open, topic, until }) => {
    for (let life = 1; life <= 3; life++) {
      const application = await open();
      const probe = await application.subscribe(topic(), {}, forever);
      if (life === 1) await application.publish(topic());
      await until(() => probe.seen.length === 1, `the message in life ${life}`);
      assert.equal(probe.seen[0]!.attempt, 1);
      await application.transport.close();
    }
  });

  states('A released message is delivered again, and uses up no attempt', async ({ open, topic, until }) => {
    const application = await open();
    const probe = await application.subscribe(topic(), {}, inTurn(release, release, acknowledge));
    await application.publish(topic(), 'again');
    await until(() => probe.seen.length === 3, 'it to come three times');
    assert.deepEqual(
      probe.seen.map(({ text, attempt }) => [text, attempt]),
      [
        ['again', 1],
        ['again', 1],
        ['again', 1],
      ],
    );
  });

  states('What one process releases, another of its group can take', async ({ open, topic, until }) => {
    const [one, two] = [await open(), await open()];
    const door = gate();
    const leaving = await one.subscribe(topic(), {}, behind(door, release));
    await one.publish(topic(), 'hand over');
    await until(() => leaving.unsettled === 1, 'the first process to have it');
    const staying = await two.subscribe(topic());
    const stopped = leaving.consumer.stop();
    door.open();
    await stopped;
    await until(() => staying.seen.length === 1, 'the other to have it');
    assert.equal(staying.seen[0]!.attempt, 1);
  });

  states('A delivery that stays open does not hold up the others', async ({ open, topic, until }) => {
    const application = await open();
    const door = gate();
    const probe = await application.subscribe(topic(), { maxUnsettled: 2 }, ({ text }) =>
      text === 'slow' ? behind(door)({} as never) : acknowledge,
    );
    await application.publish(topic(), 'slow');
    await until(() => probe.unsettled === 1, 'the slow one to begin');
    for (let i = 0; i < 10; i++) await application.publish(topic(), 'quick');
    await until(() => probe.texts.filter((text) => text === 'quick').length === 10, 'ten quick ones');
    door.open();
  });

  states('Whoever asks is told once that a settlement was carried out', async ({ open, topic, until }) => {
    const told: [type: string, error: unknown][] = [];
    const tellingOf = (settlement: Settlement): Settlement => ({
      ...settlement,
      carriedOut: (error) => void told.push([settlement.type, error]),
    });
    const all = [release, retry(0), acknowledge].map(tellingOf);
    const application = await open();
    const probe = await application.subscribe(topic(), {}, inTurn(...all));
    await application.publish(topic());
    await until(() => told.length >= 3, 'three settlements to be told of');
    await probe.consumer.stop();
    assert.equal(told.length, 3);
    // In any order: a message may be acknowledged before its broker has confirmed that it came anew.
    assert.deepEqual(
      new Map(told),
      new Map([
        ['release', undefined],
        ['retry', undefined],
        ['acknowledge', undefined],
      ]),
    );
  });

  states(
    'Whoever asks is told that a message was set aside when it is among the dead letters',
    async ({ open, topic, until }) => {
      const application = await open();
      let there: Promise<number> | undefined;
      const carriedOut = (): void => {
        there = application.deadLetters(probe.subscription).then(({ length }) => length);
      };
      const probe = await application.subscribe(topic(), {}, () => ({ ...deadLetter(), carriedOut }));
      await application.publish(topic());
      await until(() => there !== undefined, 'it to be told of');
      assert.equal(await there, 1);
    },
  );

  states('A message counts no death before a process has died of it', async ({ open, topic, until }) => {
    const application = await open();
    const probe = await application.subscribe(topic(), {}, inTurn(release, acknowledge));
    await application.publish(topic());
    await until(() => probe.seen.length === 2, 'it to come twice');
    assert.deepEqual(
      probe.seen.map(({ deaths }) => deaths),
      [0, 0],
    );
  });
});
