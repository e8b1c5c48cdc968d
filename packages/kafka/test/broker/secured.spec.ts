import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs';
import { expired } from '../../../rabbitmq/test/certificates.js';
import { startProxy } from '../driver/proxy.js';
import { PASSWORDS, startSecuredKafka, type SecuredKafka } from '../secured.js';
import {
  deadLetter,
  onEachDriver,
  ready,
  until,
  type Application,
  type Define,
  type Stage,
} from '../stage.js';
import { listed } from '../../../../test/support/dead-letters.js';

let kafka: SecuredKafka | undefined;
let missing: string | undefined;
beforeAll(async () => {
  const started = await startSecuredKafka();
  if (typeof started === 'string') missing = started;
  else kafka = started;
}, 180_000);
afterAll(() => kafka?.remove());

/** As a test that is told of the broker; where there is none it says why on the console. */
const withKafka =
  (test: Define) =>
  (title: string, act: (stage: Stage, kafka: SecuredKafka) => Promise<void>): void =>
    test(title, async (stage) => {
      if (kafka) await act(stage, kafka);
      else console.warn(`"${title}" is not tried: ${missing}`);
    });

/** Whoever arranges and cleans up. */
const arranging = { brokers: (): string => kafka?.url ?? '127.0.0.1:1' };

const sasl = (
  mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512',
  username: string,
  password: string,
): { mechanism: typeof mechanism; username: string; password: string } => ({ mechanism, username, password });

/** What connecting failed with, all that it tells of its causes, and how long it took. */
async function failure({ transport }: Application): Promise<{ error: Error; text: string; took: number }> {
  const start = Date.now();
  const error = await transport.connect().then(
    () => new Error('it connected'),
    (caught: Error) => caught,
  );
  let text = '';
  for (let at: unknown = error; at instanceof Error; at = at.cause) text += `${at.message}\n${at.stack}\n`;
  return { error, text, took: Date.now() - start };
}

onEachDriver(
  'TLS',
  (define) => {
    const test = withKafka(define);

    test('carries all that plain text does, with a certificate that is trusted', async ({ open }, {
      tls,
      ca,
    }) => {
      const application = await open({ brokers: [tls], tls: { ca } });
      const probe = await application.subscribe('a');
      await application.publish('a', 'at once');
      await application.publish('a', 'later', { delay: 200 });
      await until(() => probe.seen.length === 2, 'both');
      expect(await ready(application)).toBe(true);
    });

    const refusals: readonly (readonly [
      string,
      (kafka: SecuredKafka, stage: Stage) => Promise<Parameters<Stage['prepare']>[0] & { brokers: string[] }>,
      RegExp,
    ])[] = [
      ['that nobody known signed', async ({ tls }) => ({ brokers: [tls], tls: true }), /certificate/],
      [
        'of another host',
        async ({ tls, ca }) => ({ brokers: [tls], tls: { ca, servername: 'other.example' } }),
        /altnames/,
      ],
      [
        'that has expired',
        async ({ url }, { after }) => {
          const proxy = await startProxy(url, { tls: expired });
          after(() => proxy.close());
          return { brokers: [proxy.broker], tls: { ca: expired.cert, servername: 'localhost' } };
        },
        /expired/,
      ],
    ];
    for (const [which, options, text] of refusals)
      test(`with a certificate ${which} is refused, at once and without falling back`, async (stage, broker) => {
        const given = await options(broker, stage);
        const { error, took } = await failure(stage.prepare(given));
        expect(error).toMatchObject({
          code: 'CONNECTION',
          retryable: false,
          message: expect.stringMatching(text),
        });
        expect(error.message).toContain(`Kafka at ${given.brokers[0]} cannot be trusted, or speaks no TLS`);
        expect(took).toBeLessThan(5_000);
      });

    test('is not spoken by a plain listener, nor plain text by one for TLS, which is told', async ({
      prepare,
    }, { url, tls, ca }) => {
      for (const options of [{ brokers: [url], tls: { ca } }, { brokers: [tls] }]) {
        const { error, took } = await failure(prepare(options, { connectTimeout: 3_000 }));
        expect(error).toMatchObject({
          code: 'CONNECTION',
          message: expect.stringContaining(options.brokers[0]!),
        });
        expect(took).toBeLessThan(6_000);
      }
    });
  },
  arranging,
);

onEachDriver(
  'A login',
  (define) => {
    const test = withKafka(define);

    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const)
      test(`with ${mechanism} is admitted, and refused with a wrong password, which nobody is told`, async ({
        open,
        prepare,
      }, { login, ca }) => {
        const application = await open({
          brokers: [login],
          tls: { ca },
          sasl: sasl(mechanism, 'alice', PASSWORDS.alice),
        });
        const probe = await application.subscribe('a');
        await application.publish('a');
        await until(() => probe.seen.length === 1, 'the message');
        const wrong = prepare({
          brokers: [login],
          tls: { ca },
          sasl: sasl(mechanism, 'alice', 'wr0ng-s3cret'),
        });
        const { error, text, took } = await failure(wrong);
        expect(error).toMatchObject({ code: 'CONNECTION', retryable: false });
        expect(error.message).toMatch(/^Kafka at localhost:\d+ refused the login: check kafka\.sasl/);
        expect(text).not.toContain('s3cret');
        // Not again and again: a login that is refused may lock the account.
        expect(took).toBeLessThan(5_000);
        expect(JSON.stringify(wrong.events)).not.toContain('s3cret');
      });

    test('that is missing is told', async ({ prepare }, { login, ca }) => {
      const { error, took } = await failure(
        prepare({ brokers: [login], tls: { ca } }, { connectTimeout: 3_000 }),
      );
      expect(error).toMatchObject({ code: 'CONNECTION', message: expect.stringContaining(login) });
      expect(took).toBeLessThan(6_000);
    });
  },
  arranging,
);

/** Grants `limited` all of what a test makes but what it takes away. */
async function grant(
  { arrange, mark }: Stage,
  ...denied: { kind: 'topic' | 'group'; name: string; operation: 'CREATE' | 'READ' | 'WRITE' }[]
): Promise<void> {
  const rule = { principal: 'User:limited', host: '*' };
  const all = (resourceType: AclResourceTypes) => ({
    ...rule,
    resourceType,
    resourceName: mark,
    resourcePatternType: ResourcePatternTypes.PREFIXED,
    operation: AclOperationTypes.ALL,
    permissionType: AclPermissionTypes.ALLOW,
  });
  await arrange(async (admin) => {
    await admin.createAcls({
      acl: [
        all(AclResourceTypes.TOPIC),
        all(AclResourceTypes.GROUP),
        ...denied.map(({ kind, name, operation }) => ({
          ...rule,
          resourceType: kind === 'topic' ? AclResourceTypes.TOPIC : AclResourceTypes.GROUP,
          resourceName: `${mark}.${name}`,
          resourcePatternType: ResourcePatternTypes.LITERAL,
          operation: AclOperationTypes[operation],
          permissionType: AclPermissionTypes.DENY,
        })),
      ],
    });
    // The controller has them; the broker that asks for them hears of it a little later.
    const known = async (kind: AclResourceTypes): Promise<number> =>
      (
        await admin.describeAcls({
          resourceType: kind,
          resourcePatternType: ResourcePatternTypes.ANY,
          principal: rule.principal,
          operation: AclOperationTypes.ANY,
          permissionType: AclPermissionTypes.ANY,
        })
      ).resources
        .filter(({ resourceName }) => resourceName.startsWith(mark))
        .flatMap(({ acls }) => acls).length;
    await until(
      async () =>
        (await known(AclResourceTypes.TOPIC)) + (await known(AclResourceTypes.GROUP)) >= 2 + denied.length,
      'the rights',
    );
  });
}

const error = (code: string, message: RegExp): object =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe('A missing right', () => {
  onEachDriver(
    'alone',
    (define) => {
      const test = withKafka(define);
      const limited = ({ login, ca }: SecuredKafka): NonNullable<Parameters<Stage['open']>[0]> => ({
        brokers: [login],
        tls: { ca },
        sasl: sasl('plain', 'limited', PASSWORDS.limited),
      });

      test('to create a topic: told, and others go on', async (stage, broker) => {
        await grant(stage, { kind: 'topic', name: 'a', operation: 'CREATE' });
        const application = await stage.open(limited(broker));
        const other = await application.subscribe('b');
        const refusal = error('TOPOLOGY', /may not create topic '.*\.a'.*CREATE/);
        await expect(application.publish('a')).rejects.toEqual(refusal);
        await expect(application.subscribe('a')).rejects.toEqual(refusal);
        await application.publish('b', 'on');
        await until(() => other.texts.includes('on'), 'the other');
        expect(await ready(application)).toBe(true);
      });

      test('to write: the publish is rejected, and others resolve', async (stage, broker) => {
        const { mark, open } = stage;
        await grant(stage, { kind: 'topic', name: 'a', operation: 'WRITE' });
        const application = await open(limited(broker));
        const probes = [await application.subscribe('a'), await application.subscribe('b')];
        const outcomes = await Promise.allSettled([
          application.publish('b', 'one'),
          application.publish('a', 'never'),
          application.publish('b', 'two'),
        ]);
        expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
        expect((outcomes[1] as PromiseRejectedResult).reason).toEqual(
          error('PUBLISH_REJECTED', new RegExp(`may not write to topic '${mark}\\.a': grant WRITE`)),
        );
        await application.publish('b', 'three');
        await until(() => probes[1]!.seen.length === 3, 'the others');
        expect(probes[0]!.seen).toEqual([]);
      });

      test('to read a topic: the subscription is refused, and others go on', async (stage, broker) => {
        await grant(stage, { kind: 'topic', name: 'a', operation: 'READ' });
        const application = await stage.open(limited(broker));
        const other = await application.subscribe('b');
        // The second time, too: it has not begun.
        for (let attempt = 0; attempt < 2; attempt++)
          await expect(application.subscribe('a')).rejects.toEqual(
            error('TOPOLOGY', /may not read .*topic 'a' of group 'group'.*READ/),
          );
        await application.publish('b', 'on');
        await until(() => other.texts.includes('on'), 'the other');
        expect(await ready(application)).toBe(true);
      });

      test('to use a group: the subscription is refused, and others go on', async (stage, broker) => {
        await grant(stage, { kind: 'group', name: 'group.a', operation: 'READ' });
        const application = await stage.open(limited(broker));
        const other = await application.subscribe('b');
        await expect(application.subscribe('a')).rejects.toEqual(
          error(
            'TOPOLOGY',
            /may not use consumer group '.*\.group\.a' for topic 'a' of group 'group': grant READ/,
          ),
        );
        await application.publish('b', 'on');
        await until(() => other.texts.includes('on'), 'the other');
        expect(await ready(application)).toBe(true);
      });

      test('to read dead letters, or to set positions: told with what to grant', async (stage, broker) => {
        await grant(stage);
        const application = await stage.open(limited(broker));
        const probe = await application.subscribe('a', () => deadLetter());
        await application.publish('a');
        const { transport } = application;
        await until(
          async () => (await listed(transport.deadLetters, probe.subscription, 9)).length === 1,
          'the dead letter',
        );
        await probe.stop();
        await grant(stage, { kind: 'topic', name: 'group.a--dead', operation: 'READ' });
        await grant(stage, { kind: 'group', name: 'group.a', operation: 'READ' });
        const told = async (ask: Promise<unknown>): Promise<unknown> =>
          ask.catch((refusal: unknown) => refusal);
        // The broker hears of changed rights a little later.
        let refusal: unknown;
        await until(
          async () =>
            (refusal = await told(listed(transport.deadLetters, probe.subscription, 9))) instanceof Error,
          'the refusal',
        );
        expect(refusal).toEqual(error('TOPOLOGY', /may not read all topics of topic 'a'.*'--dead'/));
        await until(
          async () =>
            (refusal = await told(transport.replay!(probe.subscription, 'beginning'))) instanceof Error,
          'the refusal',
        );
        expect(refusal).toEqual(error('TOPOLOGY', /may not use consumer group '.*\.group\.a' for topic 'a'/));
      });

      test('that is taken away while it runs is told, and it goes on once it is granted again', async (stage, broker) => {
        await grant(stage);
        const application = await stage.open(limited(broker));
        const probe = await application.subscribe('a');
        const other = await application.subscribe('b');
        await application.publish('a', 'before');
        await until(() => probe.texts.includes('before'), 'the first');
        await grant(stage, { kind: 'group', name: 'group.a', operation: 'READ' });
        await until(
          async () =>
            (await application.transport.health()).parts.some(({ reason }) =>
              /may not use consumer group '.*\.group\.a'.*: grant READ on it/.test(reason ?? ''),
            ),
          'health to say what to grant',
        );
        await application.publish('a', 'meanwhile');
        await application.publish('b', 'on');
        await until(() => other.texts.includes('on'), 'the other');
        await stage.arrange((admin) =>
          admin.deleteAcls({
            filters: [
              {
                resourceType: AclResourceTypes.GROUP,
                resourceName: `${stage.mark}.group.a`,
                resourcePatternType: ResourcePatternTypes.LITERAL,
                operation: AclOperationTypes.ANY,
                permissionType: AclPermissionTypes.DENY,
              },
            ],
          }),
        );
        await until(() => probe.texts.includes('meanwhile'), 'what came meanwhile');
        await until(() => ready(application), 'health');
      });
    },
    arranging,
  );
});
