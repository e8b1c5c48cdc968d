import assert from 'node:assert/strict';
import { concern } from './guarantee.js';

export const foreign = concern('Open wire', (states) => {
  states(
    'Plain JSON from a producer that has never heard of the module is delivered',
    async ({ open, topic, until, hook }) => {
      const application = await open();
      const probe = await application.subscribe(topic());
      await hook('foreign')({ kind: 'topic', name: topic() }, Buffer.from('{"id":1}'));
      await until(() => probe.seen.length === 1, 'the message');
      const { message, text, attempt } = probe.seen[0]!;
      assert.equal(text, '{"id":1}');
      assert.equal(attempt, 1);
      assert.deepEqual(message.destination, { kind: 'topic', name: topic() });
      assert.ok(message.id.length > 0, 'it has no id');
    },
    { hook: 'foreign' },
  );

  states(
    'Plain JSON sent to a queue by such a producer is delivered',
    async ({ open, queue, until, hook }) => {
      const application = await open();
      const probe = await application.subscribe(queue());
      await hook('foreign')(queue(), Buffer.from('{"id":1}'));
      await until(() => probe.seen.length === 1, 'the message');
      assert.deepEqual(probe.seen[0]!.message.destination, queue());
    },
    { hook: 'foreign' },
  );

  states(
    'Headers of such a producer arrive as text',
    async ({ open, topic, until, hook }) => {
      const application = await open();
      const probe = await application.subscribe(topic());
      const headers = { colour: 'red', 'x-tenant': '42' };
      await hook('foreign')({ kind: 'topic', name: topic() }, Buffer.from('{}'), headers);
      await until(() => probe.seen.length === 1, 'the message');
      const got = probe.seen[0]!.message.headers;
      assert.deepEqual([got['colour'], got['x-tenant']], ['red', '42']);
    },
    { hook: 'foreign' },
  );

  states(
    'Such a message is retried and dead-lettered as any other, its bytes untouched',
    async ({ open, topic, until, hook }) => {
      const application = await open();
      // No JSON, behind a byte-order mark; text all the same, since not every broker carries other bytes.
      const body = Buffer.from('\uFEFF{"total":');
      const failure = { name: 'E', message: 'cut short', at: Date.now() };
      const probe = await application.subscribe(topic(), {}, ({ attempt }) =>
        attempt < 2
          ? { type: 'retry', delay: 0, failure }
          : { type: 'dead-letter', failure, attempts: attempt },
      );
      await hook('foreign')({ kind: 'topic', name: topic() }, body);
      await until(
        async () => (await application.deadLetters(probe.subscription)).length === 1,
        'the dead letter',
      );
      const [letter] = await application.deadLetters(probe.subscription);
      for (const { message } of probe.seen)
        assert.equal(Buffer.from(message.body).toString('hex'), Buffer.from(body).toString('hex'));
      assert.equal(letter!.attempts, 2);
      assert.equal(Buffer.from(letter!.message.body).toString('hex'), Buffer.from(body).toString('hex'));
      assert.equal(letter!.message.id, probe.seen[0]!.message.id, 'its id changed between attempts');
    },
    { hook: 'foreign' },
  );

  states(
    'A consumer that has never heard of the module reads the payload and nothing else',
    async ({ open, topic, until, hook }) => {
      const application = await open();
      const bodies: string[] = [];
      const stop = await hook('listen')(topic(), (body) => bodies.push(Buffer.from(body).toString()));
      try {
        await application.publish(topic(), { body: '{"total":5}', headers: { colour: 'red' }, key: 'k' });
        await until(() => bodies.length === 1, 'the message');
        assert.deepEqual(bodies, ['{"total":5}']);
      } finally {
        await stop();
      }
    },
    { hook: 'listen' },
  );
});
