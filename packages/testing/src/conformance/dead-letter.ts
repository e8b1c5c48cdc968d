import assert from 'node:assert/strict';
import type { DeadLetterHead, Destination, Subscription } from '@nest-messaging/core/contract';
import { concern } from './guarantee.js';
import { refuse as refusePattern } from './patterns.js';
import { acknowledge, deadLetter, inTurn, retry, type Seen } from './probe.js';
import type { Application, Stage } from './stage.js';

const among =
  (...ids: string[]) =>
  ({ message }: DeadLetterHead): boolean =>
    ids.includes(message.id);

/** Sets messages aside, one after the other, with the numbers from 0 as their texts. */
async function setAside(
  { open, topic, until }: Pick<Stage, 'open' | 'topic' | 'until'>,
  count: number,
): Promise<{ application: Application; subscription: Subscription; ids: string[] }> {
  const application = await open();
  const { subscription } = await application.subscribe(topic(), { maxUnsettled: 1 }, () => deadLetter());
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    ids.push((await application.publish(topic(), `${i}`)).id);
    await until(
      async () => (await application.deadLetters(subscription)).length === i + 1,
      'its dead letter',
    );
  }
  return { application, subscription, ids };
}

const idsOf = (letters: readonly DeadLetterHead[]): string[] => letters.map(({ message }) => message.id);

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
    const two = await application.deadLetters(probe.subscription, { limit: 2 });
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

  states(
    'A subscription without dead letters can be told from one that does not exist',
    async ({ open, topic, queue, group }) => {
      const application = await open();
      const { deadLetters: letters } = application.transport;
      for (const source of [topic(), queue()]) {
        const { subscription } = await application.subscribe(source);
        await letters.check(subscription);
      }
      const mistyped = [
        { source: { kind: 'topic', name: topic() }, group: group('mistyped') },
        { source: { kind: 'topic', name: topic('mistyped') }, group: group() },
        { source: queue('mistyped'), group: group() },
      ] as const;
      for (const id of mistyped)
        await assert.rejects(letters.check(id), ({ code, message }: { code: string; message: string }) => {
          assert.equal(code, 'TOPOLOGY');
          assert.ok(message.includes(id.source.name), `'${message}' does not name the subscription`);
          return true;
        });
    },
  );

  states('Dead letters can be purged, all or by id', async ({ open, topic, until }) => {
    const application = await open();
    const { deadLetters: letters } = application.transport;
    const { subscription } = await application.subscribe(topic(), {}, () => deadLetter());
    const sent: { readonly id: string }[] = [];
    for (let i = 0; i < 4; i++) sent.push(await application.publish(topic(), `${i}`));
    const list = async (): Promise<string[]> =>
      (await application.deadLetters(subscription)).map(({ message }) =>
        Buffer.from(message.body).toString(),
      );
    await until(async () => (await list()).length === 4, 'four dead letters');
    assert.equal(await letters.purge(subscription, { select: among(sent[1]!.id, 'no such id') }), 1);
    assert.deepEqual((await list()).sort(), ['0', '2', '3']);
    assert.equal(await letters.purge(subscription), 3);
    assert.deepEqual(await list(), []);
  });

  states(
    'Dead letters are browsed from any place on, whether the letter there is gone or not',
    async (stage) => {
      const { application, subscription, ids } = await setAside(stage, 5);
      const all = await application.deadLetters(subscription);
      const behind = async (): Promise<string[]> =>
        idsOf(await application.deadLetters(subscription, { after: all[1]!.position, limit: 100 }));
      assert.deepEqual(await behind(), ids.slice(2));
      assert.deepEqual(
        idsOf(await application.deadLetters(subscription, { after: all[1]!.position, limit: 2 })),
        ids.slice(2, 4),
      );
      const { deadLetters: letters } = application.transport;
      assert.equal(await letters.purge(subscription, { select: among(ids[1]!) }), 1);
      assert.deepEqual(await behind(), ids.slice(2));
      await assert.rejects(application.deadLetters(subscription, { after: 'nowhere' }), {
        code: 'INVALID_MESSAGE',
      });
    },
  );

  states('Browsing can be left at any letter, and all are in their place', async (stage) => {
    const { application, subscription, ids } = await setAside(stage, 4);
    for (let look = 1; look <= 3; look++) {
      for await (const { message } of application.transport.deadLetters.browse(subscription)) {
        assert.equal(message.id, ids[0]);
        break;
      }
      assert.deepEqual(idsOf(await application.deadLetters(subscription)), ids, `after look ${look}`);
    }
  });

  states(
    'Only those are browsed that are chosen, by all that is known of them but the body',
    async (stage) => {
      const { application, subscription, ids } = await setAside(stage, 4);
      const asked: string[] = [];
      const found = await application.deadLetters(subscription, {
        async select(letter) {
          asked.push(letter.message.id);
          await Promise.resolve();
          return letter.failure.name === 'TestFailure' && among(ids[1]!, ids[3]!)(letter);
        },
      });
      assert.deepEqual(idsOf(found), [ids[1], ids[3]]);
      assert.deepEqual(asked, ids);
    },
  );

  states('What a choice throws ends browsing and purging, and what is not purged is left', async (stage) => {
    const { application, subscription, ids } = await setAside(stage, 4);
    const { deadLetters: letters } = application.transport;
    const reason = new Error('as the test wants it');
    const select = ({ message }: DeadLetterHead): boolean => {
      if (message.id === ids[2]) throw reason;
      return true;
    };
    const gone: string[] = [];
    await assert.rejects(application.deadLetters(subscription, { select }));
    await assert.rejects(
      letters.purge(subscription, { select, onGone: ({ message }) => void gone.push(message.id) }),
    );
    assert.deepEqual(gone.toSorted(), ids.slice(0, 2));
    assert.deepEqual(idsOf(await application.deadLetters(subscription)), ids.slice(2));
  });

  states('Looking ends with the reason of its signal, and leaves all in their place', async (stage) => {
    const { application, subscription, ids } = await setAside(stage, 4);
    const { deadLetters: letters } = application.transport;
    const controller = new AbortController();
    const reason = new Error('as the test wants it');
    const { signal } = controller;
    const select = ({ message }: DeadLetterHead): boolean => {
      if (message.id === ids[1]) controller.abort(reason);
      return true;
    };
    const thrown = await application.deadLetters(subscription, { select, signal }).catch((error) => error);
    assert.equal(thrown, reason);
    assert.equal(await letters.purge(subscription, { signal }).catch((error: unknown) => error), reason);
    assert.deepEqual(idsOf(await application.deadLetters(subscription)), ids);
  });

  states(
    'What was purged can be set aside again with all that was known of it, and redriven',
    async ({ open, topic, group, until }) => {
      const application = await open();
      const { deadLetters: letters } = application.transport;
      const failure = {
        name: 'CardDeclined',
        message: 'no cover – “überzogen”',
        code: 'E42',
        at: 1_700_000_000_000,
      };
      const probe = await application.subscribe(
        topic(),
        { group: group('billing') },
        inTurn({ type: 'dead-letter', failure, attempts: 7 }, acknowledge),
      );
      const sent = await application.publish(topic(), {
        body: Uint8Array.of(0, 255, 13, 10, 0),
        contentType: 'application/octet-stream',
        headers: { colour: 'red', constructor: 'Audi' },
        key: 'k1',
        correlationId: 'conversation',
        causationId: 'cause',
        version: '2',
      });
      const list = () => application.deadLetters(probe.subscription);
      await until(async () => (await list()).length === 1, 'the dead letter');
      const known = async () => {
        const [{ raw: _, position: __, ...letter }] = (await list()) as [Awaited<ReturnType<typeof list>>[0]];
        const { body, headers, ...message } = letter.message;
        return { ...letter, message, body: Buffer.from(body).toString('hex'), headers: { ...headers } };
      };
      const before = await known();
      assert.ok(before.origin, 'it does not say where it came from');
      const [letter] = await list();
      assert.equal(await letters.purge(probe.subscription), 1);
      await letters.restore(probe.subscription, letter!);
      await until(async () => (await list()).length === 1, 'it to be there again');
      assert.deepEqual(await known(), before);
      assert.equal(await letters.redrive(probe.subscription), 1);
      await until(() => probe.seen.length === 2, 'it to be handled');
      const [first, again] = probe.seen;
      assert.equal(again!.attempt, 1);
      const plain = ({ message: { body, headers, ...message } }: Seen) => ({
        ...message,
        body: Buffer.from(body).toString('hex'),
        headers: { ...headers },
      });
      assert.deepEqual(plain(again!), plain(first!));
      assert.equal(again!.message.id, sent.id);
      assert.deepEqual(await list(), []);
    },
  );

  /** Sets aside what was published, purges it, and has it handled after all. */
  const comesBack =
    (source: (stage: Stage) => string | Destination, to: (stage: Stage) => string | Destination) =>
    async (stage: Stage): Promise<void> => {
      const { open, until } = stage;
      const application = await open();
      const { deadLetters: letters } = application.transport;
      const probe = await application.subscribe(source(stage), {}, inTurn(deadLetter(), acknowledge));
      const { destination } = await application.publish(to(stage), 'once');
      await until(
        async () => (await application.deadLetters(probe.subscription)).length === 1,
        'the dead letter',
      );
      const [letter] = await application.deadLetters(probe.subscription);
      assert.equal(await letters.purge(probe.subscription), 1);
      await letters.restore(probe.subscription, letter!);
      assert.equal(await letters.redrive(probe.subscription), 1);
      await until(() => probe.seen.length === 2, 'it to be handled');
      assert.deepEqual(probe.seen[1]!.message.destination, destination);
    };

  states(
    'A task that is set aside again comes back to its queue',
    comesBack(
      ({ queue }) => queue(),
      ({ queue }) => queue(),
    ),
  );

  states(
    'What is set aside again of a pattern comes back under the topic it was published under',
    comesBack(
      ({ topic }) => topic('order.*'),
      ({ topic }) => topic('order.placed'),
    ),
    { support: ({ patterns }) => patterns, refusal: refusePattern },
  );

  states(
    'Nothing is set aside for a subscription that does not exist, nor for one that it is not of',
    async (stage) => {
      const { application, subscription } = await setAside(stage, 1);
      const [letter] = await application.deadLetters(subscription);
      const { deadLetters: letters } = application.transport;
      const nobody = {
        source: { kind: 'topic', name: stage.topic() },
        group: stage.group('nobody'),
      } as const;
      const { origin: _, ...stray } = letter!;
      await assert.rejects(letters.restore(nobody, letter!), ({ code }: { code: string }) =>
        ['TOPOLOGY', 'PUBLISH_REJECTED', 'INVALID_MESSAGE'].includes(code),
      );
      await assert.rejects(letters.restore(subscription, { ...stray, origin: 'nowhere' }), {
        code: 'INVALID_MESSAGE',
      });
      // Another's place is none of it either, though it is there.
      const other = await application.subscribe(stage.topic('other'), { group: stage.group('other') }, () =>
        deadLetter(),
      );
      await application.publish(stage.topic('other'));
      const others = () => application.deadLetters(other.subscription);
      await stage.until(async () => (await others()).length === 1, 'the dead letter of another');
      const [{ origin }] = (await others()) as [Awaited<ReturnType<typeof others>>[0]];
      await assert.rejects(letters.restore(subscription, { ...stray, origin }), { code: 'INVALID_MESSAGE' });
      const controller = new AbortController();
      const reason = new Error('as the test wants it');
      controller.abort(reason);
      await assert.rejects(
        letters.restore(subscription, letter!, controller.signal),
        (error) => error === reason,
      );
      // Whoever begins then has nothing of it.
      const after = await application.subscribe(nobody.source, { group: nobody.group });
      assert.deepEqual(await application.deadLetters(after.subscription), []);
      assert.equal((await application.deadLetters(subscription)).length, 1);
    },
  );
});
