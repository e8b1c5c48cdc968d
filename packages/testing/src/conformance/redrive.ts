import assert from 'node:assert/strict';
import { DeadLetter } from '@nest-messaging/core/contract';
import { concern } from './guarantee.js';
import { refuse as refuseOrder } from './order.js';
import { acknowledge, deadLetter, inTurn, retry, type Probe } from './probe.js';

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
    const sent: { readonly id: string }[] = [];
    for (let i = 0; i < 4; i++) sent.push(await application.publish(topic(), `${i}`));
    const list = async (): Promise<string[]> =>
      (await application.deadLetters(probe.subscription)).map(({ message }) =>
        Buffer.from(message.body).toString(),
      );
    await until(async () => (await list()).length === 4, 'four dead letters');
    assert.equal(
      await letters.redrive(probe.subscription, {
        select: ({ message }) => [sent[2]!.id, 'no such id'].includes(message.id),
      }),
      1,
    );
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

  states(
    'A redrive gives back those of a key in the order in which they were set aside',
    async ({ open, topic, until }) => {
      const application = await open();
      const probe = await application.subscribe(
        topic(),
        { ordered: true, maxUnsettled: 1 },
        inTurn(deadLetter(), acknowledge),
      );
      const keys = ['a', 'b'];
      for (let i = 0; i < 24; i++)
        await application.publish(topic(), { body: `${i}`, key: keys[i % 2], ordered: true });
      await until(
        async () => (await application.deadLetters(probe.subscription)).length === 24,
        'all dead letters',
      );
      const textsOf = (key: string, seen: Probe['seen']): string[] =>
        seen.filter(({ message }) => message.key === key).map(({ text }) => text);
      assert.equal(await application.transport.deadLetters.redrive(probe.subscription), 24);
      await until(() => probe.seen.length >= 48, 'all of them again');
      for (const key of keys)
        assert.deepEqual(
          textsOf(key, probe.seen.slice(24)),
          textsOf(key, probe.seen.slice(0, 24)),
          `order of key ${key}`,
        );
    },
    { support: ({ ordered }) => ordered, refusal: refuseOrder },
  );

  states(
    'A redrive that is interrupted has moved each or left it, and goes on when it is called again',
    async ({ open, topic, until }) => {
      const application = await open();
      const { deadLetters: letters } = application.transport;
      const probe = await application.subscribe(topic(), {}, inTurn(deadLetter(), acknowledge));
      for (let i = 0; i < 20; i++) await application.publish(topic(), `${i}`);
      const count = async (): Promise<number> => (await application.deadLetters(probe.subscription)).length;
      await until(async () => (await count()) === 20, 'all dead letters');
      const controller = new AbortController();
      const reason = new Error('as the test wants it');
      const gone: string[] = [];
      let asked = 0;
      const thrown = await letters
        .redrive(probe.subscription, {
          signal: controller.signal,
          select() {
            if (++asked === 6) controller.abort(reason);
            return true;
          },
          onGone: ({ message }) => void gone.push(message.id),
        })
        .catch((error: unknown) => error);
      assert.equal(thrown, reason);
      assert.equal(new Set(gone).size, 6);
      assert.equal(await count(), 14);
      assert.equal(await letters.redrive(probe.subscription), 14);
      await until(() => probe.seen.length === 40, 'each again');
      assert.equal(new Set(probe.texts.slice(20)).size, 20);
      assert.equal(await count(), 0);
    },
  );

  states(
    'What is chosen is redriven while the choice of the next takes its time, and what fails again is left',
    async ({ open, topic, until }) => {
      const application = await open();
      const { deadLetters: letters } = application.transport;
      const probe = await application.subscribe(topic(), {}, () => deadLetter());
      for (let i = 0; i < 3; i++) await application.publish(topic(), `${i}`);
      const count = async (): Promise<number> => (await application.deadLetters(probe.subscription)).length;
      await until(async () => (await count()) === 3, 'three dead letters');
      let asked = 0;
      const moved = await letters.redrive(probe.subscription, {
        async select() {
          // The first has come, and failed, before there is an answer about the second.
          if (++asked === 2) await until(() => probe.seen.length === 4 && probe.unsettled === 0, 'the first');
          return true;
        },
      });
      assert.equal(moved, 3);
      await until(async () => (await count()) === 3 && probe.seen.length === 6, 'all to be set aside again');
      const times = new Map<string, number>();
      for (const text of probe.texts) times.set(text, (times.get(text) ?? 0) + 1);
      assert.deepEqual([...times.values()], [2, 2, 2]);
    },
  );

  states(
    'A hundred dead letters are listed, one shown, ten redriven, the rest exported, purged, imported and redriven',
    async ({ serve, topic, until }) => {
      const handled: number[] = [];
      let mended = false;
      const service = await serve([
        {
          on: topic(),
          options: { concurrency: 20 },
          handle({ n }: { n: number }) {
            if (!mended) throw new DeadLetter(n % 2 === 0 ? 'even' : 'odd');
            handled.push(n);
          },
        },
      ]);
      const numbers = Array.from({ length: 100 }, (_, n) => n);
      const began = Date.now();
      await Promise.all(
        numbers.map((n) =>
          service.publish(topic(), { n }, { messageId: `m${n}`, headers: { number: `${n}` } }),
        ),
      );
      const { deadLetters: office } = service.engine;
      const id = {
        source: { kind: 'topic', name: topic() },
        group: service.used.environment.service,
      } as const;
      const count = async (): Promise<number> => (await office.list(id, { limit: 200 })).letters.length;
      await until(async () => (await count()) === 100, 'a hundred dead letters');

      const pages: (readonly string[])[] = [];
      let after: string | undefined;
      do {
        const page = await office.list(id, { limit: 30, after });
        pages.push(page.letters.map(({ message }) => message.id));
        after = page.next;
      } while (after !== undefined && pages.length < 5);
      assert.deepEqual(
        pages.map(({ length }) => length),
        [30, 30, 30, 10],
      );
      assert.equal(new Set(pages.flat()).size, 100);
      // A look that was left early has changed nothing of their order.
      const whole = await office.list(id, { limit: 200 });
      assert.deepEqual(
        whole.letters.map(({ message }) => message.id),
        pages.flat(),
      );
      assert.equal((await office.list(id, { error: 'DeadLetter', limit: 200 })).letters.length, 100);
      assert.deepEqual((await office.list(id, { error: 'another' })).letters, []);
      assert.deepEqual((await office.list(id, { until: new Date(began - 3_600_000) })).letters, []);

      const shown = await office.show(id, 'm42');
      assert.equal(shown?.failure.message, 'even');
      assert.equal(shown.message.body, undefined);
      assert.equal(shown.message.headers['number'], '42');
      const opened = await office.show(id, 'm42', { payload: true });
      assert.equal(Buffer.from(opened!.message.body!).toString(), '{"n":42}');
      assert.equal(await office.show(id, 'no such id'), undefined);

      mended = true;
      const ten = numbers.slice(40, 50).map((n) => `m${n}`);
      const dry = await office.redrive(id, ten, { dryRun: true });
      assert.deepEqual(dry.ids?.toSorted(), ten);
      assert.equal(await count(), 100);
      const progress: number[] = [];
      const redriving = office.redrive(id, ten, { rate: 200, onProgress: (n) => progress.push(n) });
      let over = false;
      const end = (): void => void (over = true);
      redriving.then(end, end);
      await until(() => over, 'ten to be redriven');
      assert.deepEqual(await redriving, { count: 10 });
      assert.deepEqual(progress, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      await until(() => handled.length === 10, 'ten');
      assert.deepEqual(
        handled.toSorted((a, b) => a - b),
        numbers.slice(40, 50),
      );

      const lines: string[] = [];
      for await (const line of office.export(id)) lines.push(line);
      assert.equal(lines.length, 90);
      assert.equal((await office.purge(id, 'all', { dryRun: true })).count, 90);
      assert.equal(await count(), 90);
      assert.deepEqual(await office.purge(id, 'all'), { count: 90 });
      assert.equal(await count(), 0);
      // As a file gives it: in pieces that are no lines.
      const pieces = Array.from({ length: Math.ceil(lines.join('').length / 1_000) }, (_, at) =>
        lines.join('').slice(at * 1_000, (at + 1) * 1_000),
      );
      assert.equal((await office.import(id, pieces, { dryRun: true })).ids?.length, 90);
      assert.equal(await count(), 0);
      assert.deepEqual(await office.import(id, pieces), { count: 90, skipped: 0 });
      await until(async () => (await count()) === 90, 'them to be there again');
      assert.deepEqual(await office.import(id, pieces), { count: 0, skipped: 90 });
      assert.equal(await count(), 90);
      assert.equal((await office.show(id, 'm7'))?.failure.message, 'odd');
      assert.deepEqual(await office.redrive(id, 'all'), { count: 90 });
      await until(() => handled.length === 100, 'all of them');
      assert.deepEqual(
        handled.toSorted((a, b) => a - b),
        numbers,
      );
      assert.equal(await count(), 0);
    },
  );
});
