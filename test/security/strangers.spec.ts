import { afterAll, expect, it } from '@jest/globals';
import { randomBytes, randomInt } from 'node:crypto';
import fc from 'fast-check';
import { launch, type Application } from '../faults/application.js';
import { createLedger } from '../faults/ledger.js';
import { until } from '../faults/until.js';
import { foreignMessage, type ForeignMessage } from '../support/arbitrary.js';
import { describeHere } from '../support/describe-here.js';
import { strange } from './strangers.js';

/** Whatever others publish, a subscription handles it or sets it aside, and goes on. */

const SERVICE = 'shop';
const TOPIC = 'strange';
const COUNT = 200;
/** Give it to see the same messages again. */
const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));

const plain: ForeignMessage = { body: Buffer.from('{"plain":true}'), headers: [] };

for (const { name, missing, broker, publish, remove } of strange)
  describeHere(`Messages of any shape, on ${name}`, missing, () => {
    const namespace = `strange${randomBytes(4).toString('hex')}`;
    const ledger = createLedger(SERVICE);
    let application: Application | undefined;

    afterAll(async () => {
      await application?.stop('SIGTERM');
      await remove(namespace, SERVICE, [TOPIC]);
    }, 60_000);

    it(`are handled or set aside (SEED=${seed})`, async () => {
      const app = launch(
        {
          service: SERVICE,
          namespace,
          broker: broker(),
          handlers: [
            { topic: TOPIC, options: { retry: { attempts: 2, backoff: { initial: 10, max: 10 } } } },
          ],
        },
        ledger,
      );
      application = app;
      await until(() => app.told.some(({ told }) => told === 'ready'), 'it to start');
      const handled = (): number => ledger.runs.filter(({ told }) => told === 'handled').length;
      const sent = await publish(namespace, TOPIC, fc.sample(foreignMessage, { numRuns: COUNT, seed }));
      let letters = 0;
      await until(
        async () => {
          letters = (await app.letters({ topic: TOPIC })).length;
          return handled() + letters >= sent;
        },
        () => `${sent} messages: ${handled()} were handled, and ${letters} are set aside (SEED=${seed})`,
      );
      // Both are there, or the messages are not of many shapes.
      expect(Math.min(handled(), letters)).toBeGreaterThan(COUNT / 20);
      const before = handled();
      await publish(namespace, TOPIC, [plain]);
      await until(() => handled() > before, `the message after them (SEED=${seed})`);
      expect({ sent, known: before + letters }).toEqual({ sent, known: sent });
      expect(ledger.violations).toEqual([]);
      expect(app.ended).toBeUndefined();
    }, 60_000);
  });
