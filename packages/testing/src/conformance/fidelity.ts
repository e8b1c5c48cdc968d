import assert from 'node:assert/strict';
import { concern } from './guarantee.js';
import { deadLetter } from './probe.js';
import type { MessageDraft, Stage } from './stage.js';

/** Publishes one message and answers what arrived of it. */
async function roundTrip({ open, topic, until }: Stage, draft: MessageDraft) {
  const application = await open();
  const probe = await application.subscribe(topic());
  const sent = await application.publish(topic(), draft);
  await until(() => probe.seen.length === 1, 'the message');
  return { sent, got: probe.seen[0]!.message };
}

const bytes = (body: Uint8Array): string => Buffer.from(body).toString('hex');

export const fidelity = concern('Fidelity', (states) => {
  states('A body arrives byte by byte', async (stage) => {
    const body = Uint8Array.from({ length: 256 }, (_, i) => i);
    const { got } = await roundTrip(stage, { body, contentType: 'application/octet-stream' });
    assert.equal(bytes(got.body), bytes(body));
  });

  states('An empty body arrives empty', async (stage) => {
    const { got } = await roundTrip(stage, {
      body: new Uint8Array(),
      contentType: 'application/octet-stream',
    });
    assert.equal(got.body.byteLength, 0);
  });

  states('A large body arrives whole', async (stage) => {
    const size = Math.min(stage.capabilities.maxBodySize, 1_000_000);
    const body = Buffer.alloc(size, 'äöü€');
    const { got } = await roundTrip(stage, { body });
    assert.ok(Buffer.from(got.body).equals(body), 'the body is not the one that was sent');
  });

  states('JSON arrives as it was written, to the last blank', async (stage) => {
    const body = '{ "b": 1.0, "a":"\\u00e4ß",\n "n": 12345678901234567890 }';
    const { got } = await roundTrip(stage, { body });
    assert.equal(Buffer.from(got.body).toString(), body);
  });

  states('Headers arrive as they were sent, names and values', async (stage) => {
    const headers = {
      plain: 'value',
      'Mixed-Case': 'one',
      'mixed-case': 'two',
      unicode: 'grün – ✓ 🚀',
      empty: '',
      spaced: '  around  ',
      json: '{"a":[1,2]}',
      number: '0042',
      yes: 'true',
      constructor: 'no object’s own',
      ...Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`h${i}`, `${i}`])),
    };
    const { got } = await roundTrip(stage, { headers });
    assert.deepEqual({ ...got.headers }, headers);
  });

  states('Everything said of a message arrives with it', async (stage) => {
    const draft = {
      contentType: 'application/vnd.shop+json; charset=utf-8',
      key: 'customer/42 ü',
      source: '/shop/orders',
      publishedAt: Date.UTC(2024, 1, 29, 12, 30, 45, 678),
      dueAt: Date.UTC(2024, 2, 1, 12, 30, 45, 678),
      correlationId: 'conversation 1',
      causationId: 'cause-1',
      expiresAt: Date.UTC(2099, 0, 1, 0, 0, 0, 1),
      version: '1.2.3',
    };
    const { sent, got } = await roundTrip(stage, draft);
    const { id, destination, contentType, key, source, publishedAt, dueAt, correlationId } = got;
    const { causationId, expiresAt, version } = got;
    assert.deepEqual(
      { contentType, key, source, publishedAt, dueAt, correlationId, causationId, expiresAt, version },
      draft,
    );
    assert.equal(id, sent.id);
    assert.deepEqual(destination, sent.destination);
  });

  states('What was not said of a message is not made up', async (stage) => {
    const { got } = await roundTrip(stage, {});
    const { key, dueAt, correlationId, causationId, expiresAt, version, headers } = got;
    assert.deepEqual(
      { key, dueAt, correlationId, causationId, expiresAt, version },
      {
        key: undefined,
        dueAt: undefined,
        correlationId: undefined,
        causationId: undefined,
        expiresAt: undefined,
        version: undefined,
      },
    );
    assert.deepEqual({ ...headers }, {});
  });

  states('The broker drops no message that has expired: the module discards and counts it', async (stage) => {
    const { got } = await roundTrip(stage, { expiresAt: stage.clock.now() - 60_000, body: 'late' });
    assert.equal(Buffer.from(got.body).toString(), 'late');
  });

  states(
    'Groups get the same message, and none sees what another does to it',
    async ({ open, topic, group, until }) => {
      const application = await open();
      const change = ({ message }: { message: { body: Uint8Array } }) => {
        message.body.fill(0);
        return { type: 'acknowledge' } as const;
      };
      const probes = await Promise.all(
        ['one', 'two'].map((name) => application.subscribe(topic(), { group: group(name) }, change)),
      );
      await application.publish(topic(), 'for all');
      await until(() => probes.every(({ seen }) => seen.length === 1), 'the message in both groups');
      assert.deepEqual(
        probes.map(({ texts }) => texts[0]),
        ['for all', 'for all'],
      );
    },
  );

  states(
    'The broker client’s own message is there, for what only it can tell',
    async ({ open, topic, until }) => {
      const application = await open();
      const probe = await application.subscribe(topic(), {}, () => deadLetter());
      await application.publish(topic());
      await until(
        async () => (await application.deadLetters(probe.subscription)).length === 1,
        'the dead letter',
      );
      const [letter] = await application.deadLetters(probe.subscription);
      for (const { raw } of [probe.seen[0]!, letter!])
        assert.ok(typeof raw === 'object' && raw !== null, 'there is no message of the client');
    },
  );
});
