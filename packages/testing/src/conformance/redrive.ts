import assert from 'node:assert/strict';
import { concern } from './guarantee.js';
import { acknowledge, deadLetter, inTurn, retry } from './probe.js';

export const redrive = concern('Redrive', (states) => {
  states(
    'A redriven message is handled again from its first attempt, body and headers as they were',
    async ({ open, topic, until }) => {
      const application = await open();
      const probe = await application.subscribe(topic(), {}, inTurn(retry(0), deadLetter(), acknowledge));
      const sent = await application.publish(topic(), {
        body: '{"n":1}',
        headers: { colour: 'red' },
        key: 'k1',
        correlationId: 'conversation',
        version: '2',
      });
      const count = async (): Promise<number> => (await application.deadLetters(probe.subscription)).length;
      await until(async () => (await count()) === 1, 'the dead letter');
      assert.equal(await application.transport.deadLetters.redrive(probe.subscription), 1);
      await until(() => probe.seen.length === 3, 'it to come again');
      const { attempt, text, message } = probe.seen[2]!;
      assert.equal(attempt, 1);
      assert.equal(text, '{"n":1}');
      assert.deepEqual({ ...message.headers }, { colour: 'red' });
      assert.deepEqual(
        [message.id, message.destination, message.key, message.correlationId, message.version],
        [sent.id, sent.destination, 'k1', 'conversation', '2'],
      );
      await until(async () => (await count()) === 0, 'the dead letter to be gone');
    },
  );

  states(
    'A redriven message goes to the group where it failed and to no other',
    async ({ open, topic, group, until }) => {
      const application = await open();
      const failing = await application.subscribe(
        topic(),
        { group: group('failing') },
        inTurn(deadLetter(), acknowledge),
      );
      const fine = await application.subscribe(topic(), { group: group('fine'), maxUnsettled: 1 });
      await application.publish(topic(), 'once');
      await until(
        async () => (await application.deadLetters(failing.subscription)).length === 1,
        'the dead letter',
      );
      await application.transport.deadLetters.redrive(failing.subscription);
      await until(() => failing.seen.length === 2, 'it again in the group that failed');
      await until(() => fine.texts.includes('once'), 'it in the group that is fine');
      await application.publish(topic(), 'last');
      await until(() => fine.texts.includes('last'), 'the last message');
      assert.deepEqual(fine.texts, ['once', 'last']);
    },
  );

  states('Only those asked for are redriven', async ({ open, topic, until }) => {
    const application = await open();
    const { deadLetters: letters } = application.transport;
    const probe = await application.subscribe(topic(), {}, inTurn(deadLetter(), acknowledge));
    const sent = [];
    for (let i = 0; i < 4; i++) sent.push(await application.publish(topic(), `${i}`));
    const list = async (): Promise<string[]> =>
      (await application.deadLetters(probe.subscription)).map(({ message }) =>
        Buffer.from(message.body).toString(),
      );
    await until(async () => (await list()).length === 4, 'four dead letters');
    assert.equal(await letters.redrive(probe.subscription, new Set([sent[2]!.id, 'no such id'])), 1);
    await until(() => probe.seen.length === 5, 'the one that was asked for');
    assert.equal(probe.texts[4], '2');
    assert.deepEqual((await list()).sort(), ['0', '1', '3']);
    assert.equal(await letters.redrive(probe.subscription), 3);
    await until(() => probe.seen.length === 8, 'the others');
  });

  states('A redriven message waits for its group as any other', async ({ open, topic, until }) => {
    const first = await open();
    const probe = await first.subscribe(topic(), {}, () => deadLetter());
    await first.publish(topic(), 'patient');
    await until(async () => (await first.deadLetters(probe.subscription)).length === 1, 'the dead letter');
    await first.transport.close();
    const operator = await open();
    assert.equal(await operator.transport.deadLetters.redrive(probe.subscription), 1);
    const second = await open();
    const after = await second.subscribe(topic());
    await until(() => after.seen.length === 1, 'it in the next process');
    assert.equal(after.seen[0]!.attempt, 1);
  });

  states('A redriven message can fail and be redriven again', async ({ open, topic, until }) => {
    const application = await open();
    const probe = await application.subscribe(
      topic(),
      {},
      inTurn(retry(0), deadLetter('first', 2), retry(0), deadLetter('second', 2)),
    );
    await application.publish(topic());
    const failures = async (): Promise<string[]> =>
      (await application.deadLetters(probe.subscription)).map(({ failure }) => failure.message);
    await until(async () => (await failures()).includes('first'), 'the first dead letter');
    await application.transport.deadLetters.redrive(probe.subscription);
    await until(async () => (await failures()).includes('second'), 'the second dead letter');
    assert.deepEqual(await failures(), ['second']);
    const [letter] = await application.deadLetters(probe.subscription);
    assert.equal(letter!.attempts, 2);
  });

  states('A task of a queue is redriven to its queue', async ({ open, queue, until }) => {
    const application = await open();
    const probe = await application.subscribe(queue(), {}, inTurn(deadLetter(), acknowledge));
    await application.publish(queue(), 'task');
    await until(
      async () => (await application.deadLetters(probe.subscription)).length === 1,
      'the dead letter',
    );
    await application.transport.deadLetters.redrive(probe.subscription);
    await until(() => probe.seen.length === 2, 'the task again');
    assert.deepEqual(probe.seen[1]!.message.destination, queue());
  });
});
