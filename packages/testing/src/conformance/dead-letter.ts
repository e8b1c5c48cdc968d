import assert from 'node:assert/strict';
import { concern } from './guarantee.js';
import { acknowledge, deadLetter, inTurn, retry } from './probe.js';

export const deadLetters = concern('Dead letters', (states) => {
  states(
    'A dead-lettered message is set aside with body, headers, error, attempts, group and times',
    async ({ open, topic, group, clock, until }) => {
      const application = await open();
      const at = clock.now();
      const failure = { name: 'CardDeclined', message: 'no cover – “überzogen”', code: 'E42', at };
      const probe = await application.subscribe(topic(), { group: group('billing') }, ({ attempt }) =>
        attempt < 3 ? retry(0) : { type: 'dead-letter', failure, attempts: 7 },
      );
      const sent = await application.publish(topic(), {
        body: '{"total":5}',
        headers: { colour: 'red' },
        key: 'k1',
        correlationId: 'conversation',
        version: '2',
      });
      await until(
        async () => (await application.deadLetters(probe.subscription)).length === 1,
        'the dead letter',
      );
      const [letter] = await application.deadLetters(probe.subscription);
      const { message, failure: kept, attempts, firstFailedAt } = letter!;
      assert.equal(Buffer.from(message.body).toString(), '{"total":5}');
      assert.deepEqual({ ...message.headers }, { colour: 'red' });
      assert.deepEqual(
        [message.id, message.key, message.correlationId, message.version, message.contentType],
        [sent.id, 'k1', 'conversation', '2', 'application/json'],
      );
      assert.deepEqual(message.destination, sent.destination);
      assert.deepEqual({ ...kept }, failure);
      assert.equal(attempts, 7); // those in place included, which only the engine counts
      assert.equal(letter!.group, group('billing'));
      assert.ok(
        firstFailedAt >= at - 1_000 && firstFailedAt <= probe.seen[0]!.at + 5_000,
        'the time of the first failure is not that of the first attempt',
      );
    },
  );

  states('A dead-lettered message is not delivered again', async ({ open, topic, until }) => {
    const application = await open();
    const probe = await application.subscribe(topic(), { maxUnsettled: 1 }, ({ text }) =>
      text === 'bad' ? deadLetter() : acknowledge,
    );
    await application.publish(topic(), 'bad');
    await until(() => probe.seen.length === 1 && probe.unsettled === 0, 'it to be handled');
    await application.publish(topic(), 'good');
    await until(() => probe.texts.includes('good'), 'the next message');
    assert.deepEqual(probe.texts, ['bad', 'good']);
  });

  states(
    'A dead letter concerns only the group in which it failed',
    async ({ open, topic, group, until }) => {
      const application = await open();
      const failing = await application.subscribe(topic(), { group: group('failing') }, () => deadLetter());
      const fine = await application.subscribe(topic(), { group: group('fine') });
      await application.publish(topic());
      await until(
        async () => (await application.deadLetters(failing.subscription)).length === 1,
        'the dead letter',
      );
      await until(() => fine.seen.length === 1, 'the message in the other group');
      assert.deepEqual(await application.deadLetters(fine.subscription), []);
    },
  );

  states('Looking at dead letters takes none away, however often', async ({ open, topic, until }) => {
    const application = await open();
    const probe = await application.subscribe(topic(), {}, () => deadLetter());
    for (let i = 0; i < 3; i++) await application.publish(topic(), `${i}`);
    const list = async (): Promise<string[]> =>
      (await application.deadLetters(probe.subscription)).map(({ message }) =>
        Buffer.from(message.body).toString(),
      );
    await until(async () => (await list()).length === 3, 'three dead letters');
    const first = await list();
    assert.deepEqual([...first].sort(), ['0', '1', '2']);
    for (let look = 2; look <= 25; look++) assert.deepEqual(await list(), first, `at look ${look}`);
  });

  states('The oldest dead letters come first, as many as asked for', async ({ open, topic, until }) => {
    const application = await open();
    const probe = await application.subscribe(topic(), { maxUnsettled: 1 }, () => deadLetter());
    for (let i = 0; i < 5; i++) {
      await application.publish(topic(), `${i}`);
      await until(
        async () => (await application.deadLetters(probe.subscription)).length === i + 1,
        'its dead letter',
      );
    }
    const two = await application.deadLetters(probe.subscription, 2);
    assert.deepEqual(
      two.map(({ message }) => Buffer.from(message.body).toString()),
      ['0', '1'],
    );
  });

  states('Dead letters outlive the process that set them aside', async ({ open, topic, until }) => {
    const first = await open();
    const probe = await first.subscribe(topic(), {}, () => deadLetter('beyond help'));
    await first.publish(topic(), 'kept');
    await until(() => probe.seen.length === 1 && probe.unsettled === 0, 'it to be handled');
    await first.transport.close();
    const second = await open();
    await until(async () => (await second.deadLetters(probe.subscription)).length === 1, 'the dead letter');
    const [letter] = await second.deadLetters(probe.subscription);
    assert.equal(letter!.failure.message, 'beyond help');
  });

  states('A queue has dead letters as a topic has', async ({ open, queue, until }) => {
    const application = await open();
    const probe = await application.subscribe(queue(), {}, inTurn(retry(0), deadLetter('beyond help', 2)));
    await application.publish(queue(), 'task');
    await until(
      async () => (await application.deadLetters(probe.subscription)).length === 1,
      'the dead letter',
    );
    const [letter] = await application.deadLetters(probe.subscription);
    assert.equal(letter!.attempts, 2);
    assert.deepEqual(letter!.message.destination, queue());
  });

  states('A subscription without dead letters has an empty list', async ({ open, topic }) => {
    const application = await open();
    const probe = await application.subscribe(topic());
    assert.deepEqual(await application.deadLetters(probe.subscription), []);
    assert.equal(await application.transport.deadLetters.redrive(probe.subscription), 0);
    assert.equal(await application.transport.deadLetters.purge(probe.subscription), 0);
  });

  states('Dead letters can be purged, all or by id', async ({ open, topic, until }) => {
    const application = await open();
    const { deadLetters: letters } = application.transport;
    const { subscription } = await application.subscribe(topic(), {}, () => deadLetter());
    const sent = [];
    for (let i = 0; i < 4; i++) sent.push(await application.publish(topic(), `${i}`));
    const list = async (): Promise<string[]> =>
      (await application.deadLetters(subscription)).map(({ message }) =>
        Buffer.from(message.body).toString(),
      );
    await until(async () => (await list()).length === 4, 'four dead letters');
    assert.equal(await letters.purge(subscription, new Set([sent[1]!.id, 'no such id'])), 1);
    assert.deepEqual((await list()).sort(), ['0', '2', '3']);
    assert.equal(await letters.purge(subscription), 3);
    assert.deepEqual(await list(), []);
  });
});
