import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import type { Application, Held } from '../application.js';
import type { Row } from '../row.js';
import { WORK, type Stage } from '../stage.js';

/*
 * What a process holds does not grow with what it has done. In short by default; in full with
 * FAULTS_CHURN_MINUTES=60, FAULTS_CYCLES=1000 and FAULTS_MESSAGES=100000.
 */
const churnFor = Number(process.env['FAULTS_CHURN_MINUTES'] ?? 0.4) * 60_000;
const cycles = Number(process.env['FAULTS_CYCLES'] ?? 50);
const messages = Number(process.env['FAULTS_MESSAGES'] ?? 5_000);

const MIB = 1024 * 1024;
/** What a heap may seem to grow by without a leak: code that is compiled, and what the engine learns of it. */
const NOISE = 2 * MIB;

interface Sample extends Pick<Held, 'heapUsed'> {
  readonly at: number;
}

/** By least squares: bytes from the first to the last of the samples. The first third is left out: things settle then. */
function growth(all: readonly Sample[]): number {
  const samples = all.slice(Math.floor(all.length / 3));
  const mean = (of: (sample: Sample) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const [x, y] = [mean(({ at }) => at), mean(({ heapUsed }) => heapUsed)];
  const slope =
    samples.reduce((sum, { at, heapUsed }) => sum + (at - x) * (heapUsed - y), 0) /
    samples.reduce((sum, { at }) => sum + (at - x) ** 2, 0);
  return slope * (samples.at(-1)!.at - samples[0]!.at);
}

type Counts = Readonly<Record<string, number>>;

async function held(application: Application): Promise<Counts> {
  const { kinds, listeners } = await application.held();
  return { ...kinds, listeners };
}

/** What is held at rest: the least of each that is seen in a while, since timers of what is just done come and go. */
async function atRest({ site }: Stage, application: Application): Promise<Counts> {
  const least = new Map(Object.entries(await held(application)));
  for (let look = 1; look <= 12; look++) {
    await wait(250);
    const now = await held(application);
    for (const [kind, before] of least) least.set(kind, Math.min(before, now[kind] ?? 0));
  }
  return { ...Object.fromEntries(least), ...(await site.clients?.()) };
}

/** Compares what is held with what was held before, once what was closed has gone. */
async function assertFlat(
  stage: Stage,
  application: Application,
  before: Counts,
  samples: readonly Sample[],
): Promise<void> {
  const exceeds = (counts: Counts): boolean =>
    Object.entries(counts).some(([kind, many]) => many > (before[kind] ?? 0));
  let now: Counts = {};
  await stage.until(
    async () => {
      now = await held(application);
      if (exceeds(now)) return false;
      now = { ...now, ...(await stage.site.clients?.()) };
      return !exceeds(now);
    },
    () => `no more to be held than ${JSON.stringify(before)}: it is ${JSON.stringify(now)}`,
  );
  const grown = growth(samples);
  const heap = samples.map(({ heapUsed }) => (heapUsed / MIB).toFixed(2)).join(' ');
  if (process.env['FAULTS_SHOW']) process.stderr.write(`${JSON.stringify(now)}, heap in MiB: ${heap}\n`);
  assert.ok(grown < NOISE, `the heap grew by ${(grown / MIB).toFixed(2)} MiB: ${heap}`);
  const warnings = application.told.filter(
    (one) => one.told === 'log' && one.text.startsWith('MaxListenersExceededWarning'),
  );
  assert.deepEqual(warnings, [], 'listeners pile up');
}

/** Handled at once, at the second attempt, or set aside. */
async function publishMixed(
  { ledger, until }: Stage,
  application: Application,
  name: string,
  count: number,
): Promise<void> {
  const about = { topic: WORK, lanes: 20 };
  const failing = Math.ceil(count / 50);
  const again = Math.ceil(count / 10);
  await application.publish({ ...about, name: `${name}-plain`, count: count - again - failing });
  await application.publish({
    ...about,
    name: `${name}-again`,
    count: again,
    payload: { act: 'fail', times: 1 },
  });
  await application.publish({ ...about, name: `${name}-never`, count: failing, payload: { act: 'fail' } });
  const source = { topic: WORK };
  await until(
    async () => (await application.letters(source)).length === failing,
    `the dead letters of ${name}`,
    60_000,
  );
  ledger.setAside(await application.letters(source));
  assert.equal(await application.purge(source), failing);
  const missing = (): string[] =>
    [...ledger.resolved].filter((id) => !ledger.handled().has(id) && !ledger.dead().has(id));
  await until(
    () => missing().length === 0,
    () => `${missing().length} of ${name} to be handled`,
    60_000,
  );
}

const WORKER = {
  handlers: [
    {
      topic: WORK,
      options: { concurrency: 50, retry: { attempts: 2, backoff: { initial: 100, jitter: 0 } } },
    },
  ],
};
/** Of the applications that come and go. */
const OTHERS = { topic: 'others', handlers: [{ topic: 'others' }, { queue: 'tasks' }] };

export const resourceRows: readonly Row[] = [
  {
    number: 39,
    fault: 'churn: applications and subscriptions come and go, handlers fail, connections are cut',
    needs: [],
    limit: churnFor + 300_000,
    async run(stage) {
      const worker = await stage.start(WORKER);
      const samples: Sample[] = [];
      let before: Counts | undefined;
      const round = async (n: number): Promise<void> => {
        await publishMixed(stage, worker, `r${n}`, 100);
        await worker.pause({ topic: WORK });
        await worker.resume({ topic: WORK });
        await worker.cycle({ ...OTHERS, count: 1, sample: 1 });
        // Nothing is between memory and its application.
        if (stage.site.durable) {
          await stage.site.network.cut();
          await publishMixed(stage, worker, `r${n}-cut`, 20);
          await stage.health(worker, true);
        }
        samples.push({ at: n, heapUsed: (await worker.held()).heapUsed });
      };
      const began = performance.now();
      for (let n = 1; n <= 4 || performance.now() - began < churnFor; n++) {
        await round(n);
        if (n === 2) before = await atRest(stage, worker);
      }
      await assertFlat(stage, worker, before!, samples);
      await stage.balance(worker);
    },
  },
  {
    number: 40,
    fault: 'an application starts and closes in one process, over and over',
    needs: [],
    limit: cycles * 5_000 + 300_000,
    async run(stage) {
      const first = await stage.start({ handlers: [] });
      await first.publish({ name: 'm', topic: OTHERS.topic });
      await first.cycle({ ...OTHERS, count: 5, sample: 5 });
      const before = await atRest(stage, first);
      const samples = await first.cycle({ ...OTHERS, count: cycles, sample: Math.max(1, cycles / 50) });
      await assertFlat(stage, first, before, samples);
      assert.deepEqual(stage.ledger.violations, []);
    },
  },
  {
    number: 41,
    fault: 'many messages, of which some fail',
    needs: ['bulk'],
    limit: messages * 30 + 300_000,
    async run(stage) {
      const worker = await stage.start(WORKER);
      await publishMixed(stage, worker, 'first', 500);
      const before = await atRest(stage, worker);
      const samples: Sample[] = [];
      for (let n = 1; n <= 20; n++) {
        await publishMixed(stage, worker, `p${n}`, messages / 20);
        samples.push({ at: n, heapUsed: (await worker.held()).heapUsed });
      }
      await assertFlat(stage, worker, before, samples);
      await stage.balance(worker);
    },
  },
];
