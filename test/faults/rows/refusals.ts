import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { freePorts } from '../../../scripts/brokers/ports.mjs';
import { expired, valid } from '../../../packages/rabbitmq/test/certificates.js';
import type { Application, ApplicationConfig, Told } from '../application.js';
import { isTls, openTlsDoor } from '../door.js';
import type { Deed, Rights } from '../ground.js';
import type { Row } from '../row.js';
import { WORK, type Stage } from '../stage.js';

type Refused = Extract<Told, { told: 'refused' }>;

/** An application that does not start, and why; bounded, and with nobody left behind. */
async function refused(
  { launch, until }: Stage,
  config: Partial<ApplicationConfig>,
  code: string,
  ...says: readonly (RegExp | string)[]
): Promise<Refused> {
  const began = performance.now();
  const application = launch({ ...config, module: { connectTimeout: '20s', ...config.module } });
  await until(
    () => application.ended !== undefined || application.told.some(({ told }) => told === 'ready'),
    'an application to be refused',
  );
  const why = application.told.find((one): one is Refused => one.told === 'refused');
  assert.ok(why, `it started: expected ${code} ${says.join(' ')}`);
  assert.equal(application.ended?.code, 1);
  assert.equal(why.code, code, why.text);
  assert.equal(why.retryable, false, why.text);
  for (const each of says)
    assert.ok(
      typeof each === 'string' ? why.text.includes(each) : each.test(why.text),
      `the error does not say ${each}: ${why.text}`,
    );
  // Waiting does not help, and is not tried.
  assert.ok(performance.now() - began < 15_000, 'it took too long');
  return why;
}

/** A queue of the same application, which no denial is about. */
const OTHERS = 'others';

/** What is refused of one thing holds up nothing else. */
async function othersGoOn({ ledger, until }: Stage, worker: Application, name: string): Promise<void> {
  await worker.publish({ name, queue: OTHERS, count: 10, lanes: 5 });
  const ids = Array.from({ length: 10 }, (_, n) => `${name}-${n}`);
  assert.deepEqual(
    ids.filter((id) => !ledger.resolved.has(id)),
    [],
    'others were refused, too',
  );
  await until(() => ids.every((id) => ledger.handled().has(id)), 'the others to be handled');
}

/** Seconds in which a loop would be seen. */
const WATCHED = 6;
/** What a process may ask in them: each of its clients and subscriptions by itself, with waits between. */
const MOST = { connections: 60, packets: 300, lines: 30 } as const;

async function asksSeldom(rights: Rights, worker: Application, deed: Deed): Promise<void> {
  const lines = (): number => worker.told.filter(({ told }) => told === 'log').length;
  const before = { ...rights.asked(), lines: lines() };
  await wait(WATCHED * 1_000);
  const after = { ...rights.asked(), lines: lines() };
  for (const what of ['connections', 'packets', 'lines'] as const) {
    const count = after[what] - before[what];
    assert.ok(count <= MOST[what], `without the right to ${deed}: ${count} ${what} in ${WATCHED} s`);
  }
}

/** Each publish until one is refused, or until one is not: a broker may take a moment to heed what it was told. */
async function publishedUntil(
  { ledger, until }: Stage,
  worker: Application,
  outcome: 'rejected' | 'resolved',
  to: { readonly topic: string } | { readonly queue: string },
  name: string,
): Promise<string> {
  let n = 0;
  let id = '';
  await until(
    async () => {
      await worker.publish({ name: `${name}-${++n}`, ...to });
      id = `${name}-${n}-0`;
      return ledger[outcome].has(id);
    },
    () => `a publish to be ${outcome}: ${ledger.rejected.get(id)?.text ?? 'none was rejected'}`,
  );
  return id;
}

function assertNoSecret({ secrets }: Rights, text: string): void {
  for (const secret of secrets) assert.equal(text.includes(secret), false, 'a secret was told');
}

const says = async (worker: Application, what: RegExp): Promise<boolean> =>
  (await worker.health()).connections.some(({ parts }) =>
    parts.some(({ ready, reason }) => !ready && what.test(reason ?? '')),
  );

/** What each deed's error names: the right, and of what. */
const NAMES: Readonly<Record<Deed, RegExp>> = {
  'log in': /refused the (login|credentials)/,
  publish: /not (allow publishing|publish|write) to .*work.*grant/,
  consume: /(not (consume from|use) .*work.*|not allow sqs:ReceiveMessage for .*work.*)grant/s,
  declare: /(may not create|not allow \S+:Create\w+ for) .*fresh.*grant/s,
};

const denials: Readonly<Record<Deed, (stage: Stage, worker: Application, rights: Rights) => Promise<void>>> =
  {
    async 'log in'(stage, worker, rights) {
      await stage.until(() => says(worker, NAMES['log in']), 'health to say that the login is refused');
      await asksSeldom(rights, worker, 'log in');
      await rights.grant();
      await stage.health(worker, true);
    },
    async publish(stage, worker, rights) {
      const { ledger } = stage;
      const id = await publishedUntil(stage, worker, 'rejected', { topic: WORK }, 'forbidden');
      const { code, retryable, text, ms } = ledger.rejected.get(id)!;
      assert.equal(code, 'PUBLISH_REJECTED', text);
      assert.equal(retryable, false);
      assert.match(text, NAMES.publish);
      assert.ok(ms < 3_000, `it rejected after ${Math.round(ms)} ms`);
      // Beside others, on the same connection and at the same time.
      const forbidden = worker.publish({ name: 'beside', topic: WORK, count: 10, lanes: 5 });
      await othersGoOn(stage, worker, 'while-publish');
      await forbidden;
      assert.equal([...ledger.resolved].filter((each) => each.startsWith('beside')).length, 0);
      await asksSeldom(rights, worker, 'publish');
      await rights.grant();
      await publishedUntil(stage, worker, 'resolved', { topic: WORK }, 'permitted');
      await stage.health(worker, true);
    },
    async consume(stage, worker, rights) {
      const { ledger, until } = stage;
      await until(() => says(worker, NAMES.consume), 'health to say what it may not consume');
      await othersGoOn(stage, worker, 'while-consume');
      await worker.publish({ name: 'meanwhile', topic: WORK });
      assert.ok(ledger.resolved.has('meanwhile-0'));
      await asksSeldom(rights, worker, 'consume');
      assert.equal(await worker.ready(), false);
      // Who starts without it is refused; of SQS it hears only when it asks for messages, and is not ready.
      const late = stage.launch({ broker: rights.broker });
      const told = (what: Told['told']): Told | undefined => late.told.find((one) => one.told === what);
      await until(async () => {
        const why = told('refused') as Refused | undefined;
        if (why)
          assert.match(`${why.code}: ${why.text}`, new RegExp(`TOPOLOGY.*${NAMES.consume.source}`, 's'));
        return why !== undefined || (told('ready') !== undefined && (await says(late, NAMES.consume)));
      }, 'one that starts to say what it may not consume');
      if (!late.ended) await late.stop('SIGTERM');
      await rights.grant();
      await stage.health(worker, true);
      await until(() => ledger.handled().has('meanwhile-0'), 'what was published meanwhile');
    },
    async declare(stage, worker, rights) {
      const { ledger, until } = stage;
      const id = await publishedUntil(stage, worker, 'rejected', { queue: 'fresh' }, 'undeclared');
      const { code, retryable, text } = ledger.rejected.get(id)!;
      assert.equal(code, 'TOPOLOGY', text);
      assert.equal(retryable, false);
      assert.match(text, NAMES.declare);
      await othersGoOn(stage, worker, 'while-declare');
      await asksSeldom(rights, worker, 'declare');
      const fresh = { broker: rights.broker, handlers: [{ queue: 'fresh' }] };
      await refused(stage, fresh, 'TOPOLOGY', NAMES.declare);
      await rights.grant();
      const declared = await publishedUntil(stage, worker, 'resolved', { queue: 'fresh' }, 'declared');
      const late = await stage.start(fresh);
      await until(() => ledger.handled().has(declared), 'what waits in the queue');
      await late.stop('SIGTERM');
    },
  };

/** Certificates that nobody should trust, each for another reason. */
const BAD = [
  { certificate: expired, host: 'localhost', ca: expired.cert, why: /expired/ },
  { certificate: valid, host: 'localhost', ca: undefined, why: /self.signed/ },
  { certificate: valid, host: '127.0.0.1', ca: valid.cert, why: /altnames|not in the cert/ },
] as const;

export const refusalRows: readonly Row[] = [
  {
    number: 7,
    fault: 'a wrong password; a right to publish, to consume or to declare that is missing',
    needs: ['rights'],
    async run(stage) {
      const { site } = stage;
      const rights = await site.rights!(stage.namespace);
      try {
        const { broker } = rights;
        const before = rights.asked();
        const { text } = await refused(
          stage,
          { broker: rights.mistaken },
          'CONNECTION',
          NAMES['log in'],
          /(127\.0\.0\.1|localhost):\d+/,
        );
        assertNoSecret(rights, text);
        const { connections } = rights.asked();
        assert.ok(connections - before.connections <= 4, `it logged in ${connections} times`);

        const worker = await stage.start({
          broker,
          handlers: [{ topic: WORK }, { queue: OTHERS }],
          module: { publish: { timeout: '5s' } },
        });
        for (const deed of rights.deeds) {
          await rights.deny(deed);
          await denials[deed](stage, worker, rights);
          await othersGoOn(stage, worker, `after-${deed}`);
        }
        await stage.balance(worker);
        assertNoSecret(rights, JSON.stringify(worker.told));
      } finally {
        await rights.end();
      }
    },
  },
  {
    number: 8,
    fault: 'TLS: a certificate that has expired, is signed by nobody, or is of another host',
    needs: ['tls'],
    async run(stage) {
      const { site, ledger } = stage;
      const [port] = (await freePorts(1)) as [number];
      const tls = await site.tls!(port);
      const door = await openTlsDoor(tls.plain, port, valid);
      try {
        for (const { certificate, host, ca, why } of BAD) {
          door.present(certificate);
          const before = door.came;
          const { text } = await refused(
            stage,
            { broker: tls.broker(host, ca) },
            'CONNECTION',
            'cannot be trusted',
            `${host}:${port}`,
          );
          const [, ...causes] = text.split(' < ');
          assert.ok(why.test(causes.join()), `the cause is not kept: ${text}`);
          const heard = door.heard.slice(before);
          assert.ok(heard.length >= 1 && heard.length <= 4, `it came ${heard.length} times`);
          assert.ok(heard.every(isTls), 'it spoke something else than TLS');
          assert.equal(door.passedUnder(certificate), 0, 'it spoke to whom it does not trust');
        }

        door.present(valid);
        const worker = await stage.start({
          broker: tls.broker('localhost', valid.cert),
          module: { publish: { timeout: '3s' } },
        });
        await worker.publish({ name: 'good', topic: WORK, count: 10 });
        await stage.health(worker, true);
        assert.ok(door.passedUnder(valid) > 0);
        // One that was good, and is not any more.
        door.present(expired);
        const { came } = door;
        door.cut();
        await stage.health(worker, false);
        await worker.publish({ name: 'meanwhile', topic: WORK });
        // Whichever is known first.
        assert.match(ledger.rejected.get('meanwhile-0')?.code ?? 'resolved', /^PUBLISH_(TIMEOUT|REJECTED)$/);
        assert.ok(door.came > came, 'it did not try again');
        assert.ok(door.heard.slice(came).every(isTls), 'it spoke something else than TLS');
        assert.equal(door.passedUnder(expired), 0, 'it spoke to whom it does not trust');
        door.present(valid);
        await stage.health(worker, true);
        await worker.publish({ name: 'after', topic: WORK, count: 10 });
        assert.ok(ledger.resolved.has('after-9'));
        await stage.balance(worker);
      } finally {
        await door.close();
        await tls.end();
      }
    },
  },
  {
    number: 10,
    fault: 'a queue, an exchange or a topic is there already, and does not fit',
    needs: ['conflict'],
    async run(stage) {
      const { site } = stage;
      for (const { resource, argument, make, look, remove } of site.conflicts!(stage.namespace)) {
        await make();
        const before = await look();
        await refused(stage, {}, 'TOPOLOGY', resource, argument);
        assert.deepEqual(await look(), before, 'something was changed');
        await remove();
      }
      const worker = await stage.start();
      await worker.publish({ name: 'after', topic: WORK });
      await stage.balance(worker);
    },
  },
  {
    number: 10,
    fault: 'a handler is given other options than those with which its subscription was made',
    needs: ['network'],
    async run(stage) {
      const { ledger, until } = stage;
      const each = [
        {},
        { concurrency: 50 },
        { concurrency: 1, retry: { attempts: 9, backoff: { initial: '7s', max: '1h' } } },
        { retry: { attempts: 1 }, timeout: '90s' },
      ] as const;
      for (const [n, options] of each.entries()) {
        const worker = await stage.start({ handlers: [{ topic: WORK, options }] });
        await worker.publish({ name: `m${n}`, topic: WORK });
        await until(() => ledger.handled().has(`m${n}-0`), `the message with ${JSON.stringify(options)}`);
        await stage.balance(worker);
        await worker.stop('SIGTERM');
      }
    },
  },
];
