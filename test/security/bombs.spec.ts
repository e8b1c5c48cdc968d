import { afterAll, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { launch, type Application } from '../faults/application.js';
import { createLedger } from '../faults/ledger.js';
import { until } from '../faults/until.js';
import { describeHere } from '../support/describe-here.js';
import { bombs, publishCompressedZeros } from './bombs.js';
import { strange } from './strangers.js';

/** What is small on the wire and made to become large harms nobody: memory stays bounded, and the next message is handled. */

const SERVICE = 'shop';
const TOPIC = 'bombs';
const MIB = 1024 * 1024;
/** What a process may take beyond what it had: the largest that a batch may become, twice, for what is copied. */
const BOUND = 256 * MIB;

for (const { name, missing, broker, publish, remove } of strange)
  describeHere(`Bombs, on ${name}`, missing, () => {
    const namespace = `bombs${randomBytes(4).toString('hex')}`;
    const ledger = createLedger(SERVICE);
    let application: Application | undefined;

    afterAll(async () => {
      await application?.stop('SIGTERM');
      await remove(namespace, SERVICE, [TOPIC]);
    }, 60_000);

    it('are handled or set aside within bounded memory, and the next message is handled', async () => {
      const config = broker();
      const handlers = [{ topic: TOPIC, options: { retry: { attempts: 1 } } }];
      const app = launch({ service: SERVICE, namespace, broker: config, handlers }, ledger);
      application = app;
      await until(() => app.told.some(({ told }) => told === 'ready'), 'it to start');
      const before = (await app.held()).rss;
      let largest = 0;
      let [handled, letters] = [0, 0];
      const look = async (): Promise<void> => {
        largest = Math.max(largest, (await app.held()).rss);
        handled = ledger.runs.filter(({ told }) => told === 'handled').length;
        letters = (await app.letters({ topic: TOPIC })).length;
      };
      if (config.name === 'kafka') {
        await publishCompressedZeros(`${namespace}.${TOPIC}`, 512 * MIB);
        const told = (): boolean =>
          app.told.some((one) => one.told === 'log' && one.text.includes('are passed over'));
        await until(async () => {
          await look();
          return told();
        }, 'the batch to be passed over');
      }
      const sent = await publish(namespace, TOPIC, bombs);
      await until(
        async () => {
          await look();
          return handled + letters >= sent;
        },
        () => `${sent} messages: ${handled} were handled, and ${letters} are set aside`,
      );
      await publish(namespace, TOPIC, [{ body: Buffer.from('{}'), headers: [] }]);
      await until(async () => {
        await look();
        return handled + letters > sent;
      }, 'the next message');
      expect({ handled, letters }).toEqual({ handled: 3, letters: 3 });
      expect(largest - before).toBeLessThan(BOUND);
      expect(ledger.violations).toEqual([]);
      expect((await app.health()).ready).toBe(true);
    }, 60_000);
  });
