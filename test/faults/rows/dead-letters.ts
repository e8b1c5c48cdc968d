import assert from 'node:assert/strict';
import type { Application, BrokerConfig } from '../application.js';
import { now } from '../clock.mjs';
import type { Refuse } from '../ground.js';
import type { Row } from '../row.js';
import { WORK } from '../stage.js';

const SUBSCRIPTION = { group: 'shop', source: { kind: 'topic', name: WORK } } as const;
const SOURCE = { topic: WORK };

/** Milliseconds; less than the handler takes. */
const SETTLED_WITHIN = 700;

/** Messages that a process could not set aside, and said so. */
const unsettled = ({ told }: Application): Set<string> =>
  new Set(
    told.flatMap((one) => {
      const id =
        one.told === 'log' &&
        /^message (\S+) of .* could not be settled \(dead-letter\) and stays/.exec(one.text)?.[1];
      return id ? [id] : [];
    }),
  );

export const deadLetterRows: readonly Row[] = [
  {
    number: 27,
    fault: 'dead letters are refused: their place is missing, forbidden, full or too small',
    needs: ['network', 'refusals'],
    async run(stage) {
      const { site, namespace, ledger, until } = stage;
      const handlers = [
        { topic: WORK, options: { concurrency: 10, retry: { attempts: 2, backoff: { initial: 100 } } } },
      ];
      const has = async (application: Application, name: string, count: number): Promise<boolean> => {
        ledger.setAside(await application.letters(SOURCE));
        return [...ledger.dead().keys()].filter((id) => id.startsWith(`${name}-`)).length === count;
      };
      const refusedAt = async (
        broker: BrokerConfig,
        refusals: Readonly<Record<string, Refuse>>,
      ): Promise<void> => {
        const start = (module = {}): Promise<Application> => stage.start({ broker, handlers, module });
        // All that retries and dead letters need exists from then on.
        const earlier = await start();
        const first = `first-${Object.keys(refusals).join('-or-')}`;
        await earlier.publish({ name: first, topic: WORK, payload: { act: 'fail' } });
        await until(() => has(earlier, first, 1), 'the first dead letter');
        await earlier.stop('SIGTERM');
        for (const [what, refuse] of Object.entries(refusals)) {
          const [bad, good] = [`bad-${what.replace(' ', '-')}`, `good-${what.replace(' ', '-')}`];
          // It may create nothing: what goes away stays away.
          const worker = await start({ topology: 'validate' });
          const mend = await refuse(namespace, SUBSCRIPTION);
          // Fewer than are handled at a time: each keeps its place until it can be set aside.
          await worker.publish({ name: bad, topic: WORK, count: 3, payload: { act: 'fail' } });
          await until(() => unsettled(worker).size >= 2, `it to tell that dead letters are refused: ${what}`);
          await worker.publish({ name: good, topic: WORK, count: 10 });
          await until(
            () => [...ledger.handled().keys()].filter((id) => id.startsWith(good)).length === 10,
            'the others to be handled',
          );
          await mend();
          const next = await start();
          await until(() => has(next, bad, 3), 'all to be set aside');
          for (const each of [worker, next]) {
            await stage.health(each, true);
            await each.stop('SIGTERM');
          }
        }
        const last = await start();
        await stage.balance(last);
        await last.stop('SIGTERM');
      };
      await refusedAt(site.broker, site.refusals);
      const rights = site.refusals['forbidden'] ? undefined : await site.rights?.(namespace);
      try {
        if (rights?.forbidden) await refusedAt(rights.broker, { forbidden: rights.forbidden });
      } finally {
        await rights?.end();
      }
    },
  },
  {
    number: 28,
    fault: 'a process is killed between dead-lettering and acknowledgement',
    needs: ['network'],
    async run(stage) {
      const { site, ledger, until } = stage;
      const handlers = [{ topic: WORK, options: { concurrency: 5, retry: { attempts: 1 } } }];
      const watcher = await stage.start({ broker: site.direct, handlers: [] });
      const lettersOf = async (id: string): Promise<number> =>
        (await watcher.letters(SOURCE)).filter((letter) => letter.id === id).length;
      const worker = await stage.start({ handlers });
      const runsOf = ({ pid }: Application) =>
        ledger.runs.filter((run) => run.told === 'began' && run.id === 'fatal-0' && run.pid === pid);
      const began = (application: Application): number => runsOf(application).length;
      // From now on the way to the dead letters is known, and needs no answer.
      await watcher.publish({ name: 'first', topic: WORK, payload: { act: 'fail' } });
      await until(async () => (await lettersOf('first-0')) === 1, 'a dead letter');

      await watcher.publish({ name: 'fatal', topic: WORK, payload: { act: 'fail', ms: 1_500 } });
      await until(() => began(worker) === 1, 'it to be handled');
      // The settlement of the first may have waited for others: where its answer is swallowed, a client may take the broker
      // for gone, and send nothing.
      await until(() => now() - runsOf(worker)[0]!.at > SETTLED_WITHIN, 'all before it to be settled');
      // What it sends arrives, and it does not hear so: it has yet to acknowledge when the broker has the dead letter.
      await site.network.deafen();
      await until(
        async () => (await lettersOf('fatal-0')) >= 1,
        'the broker to have the dead letter',
        90_000,
      );
      await worker.stop('SIGKILL');
      await site.network.mend();

      const next = await stage.start({ handlers });
      await until(() => began(next) === 1, 'the original, which was not acknowledged');
      await until(async () => (await lettersOf('fatal-0')) >= 2, 'its dead letter');
      await next.publish({ name: 'after', topic: WORK, count: 10 });
      await stage.balance(next);
      assert.deepEqual([...ledger.handled().keys()].length, 10);
      await stage.health(next, true);
    },
  },
];
