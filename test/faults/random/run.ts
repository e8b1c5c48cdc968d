import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { now } from '../clock.mjs';
import type { Ground } from '../ground.js';
import { balance } from '../ledger.js';
import type { Stage } from '../stage.js';
import { startCrew } from './crew.js';
import { explainDuplicates, type Disturbance } from './duplicates.js';
import { describeStep, OTHER_GROUP, scheduleOf, TOPIC, type Trouble } from './schedule.js';

/** What a run did and found. */
export interface Figures {
  readonly seed: number;
  readonly seconds: number;
  readonly disturbances: number;
  readonly resolved: number;
  readonly rejected: number;
  /** Of two groups and a queue. */
  readonly handled: number;
  readonly deadLettered: number;
  /** By what explains them. */
  readonly duplicates: Readonly<Record<string, number>>;
}

/** Steps are no longer than this on average, in milliseconds, so that a schedule outlasts its run. */
const SHORTEST = 1_000;

/** @returns what ends it */
async function begin(trouble: Trouble, { site, namespace }: Stage): Promise<() => Promise<void>> {
  const { network } = site;
  switch (trouble.what) {
    case 'kill':
      await site.settled(namespace);
      await site.kill();
      return site.restart;
    case 'restart':
      await site.stop();
      return site.restart;
    case 'slow':
      await network.slow(trouble.latency);
      return network.mend;
    case 'throttle':
      await network.throttle(trouble.kilobytes);
      return network.mend;
    case 'cut':
    case 'close':
    case 'swallow':
      await network[trouble.what]();
      return network.mend;
  }
}

/** Lets everything that a seed chooses happen for a time, and judges: lost 0, duplicates explained, ready at the end. */
export async function runAtRandom(
  ground: Ground,
  stage: Stage,
  { seed, seconds, say }: { seed: number; seconds: number; say: (line: string) => void },
): Promise<Figures> {
  const { ledger } = stage;
  const schedule = scheduleOf(seed, ground, Math.ceil((seconds * 1_000) / SHORTEST));
  const crew = await startCrew(stage, schedule, ground.lacks.network === undefined);
  const disturbances: Disturbance[] = [];
  const until = now() + seconds * 1_000;

  for (const step of schedule.steps) {
    await wait(step.calm);
    if (now() > until) break;
    say(describeStep(step));
    const from = now();
    const recover = step.trouble && (await begin(step.trouble, stage));
    const revive = step.blow && (await crew.strike(step.blow));
    await wait(step.lasts);
    await recover?.();
    await revive?.();
    // A process that stops in order settles what it did: that explains no duplicate.
    if (step.trouble || step.blow?.what !== 'SIGTERM')
      disturbances.push({
        what: step.trouble?.what ?? step.blow!.what,
        from,
        to: now(),
      });
    await stage.goesOn(5);
  }

  await crew.end();
  await balance(ledger, crew.letters, {
    groupsOf: (id) => (id.startsWith(TOPIC) ? [undefined, OTHER_GROUP] : [undefined]),
    within: 120_000,
  });
  const { explained, unexplained } = explainDuplicates(ledger.runs, disturbances);
  assert.deepEqual(
    unexplained.slice(0, 10),
    [],
    `${unexplained.length} were handled twice though nothing disturbed: ${JSON.stringify(disturbances)}`,
  );
  return {
    seed,
    seconds,
    disturbances: disturbances.length,
    resolved: ledger.resolved.size,
    rejected: ledger.rejected.size,
    handled: ledger.handled().size + ledger.handled(OTHER_GROUP).size,
    deadLettered: ledger.dead().size,
    duplicates: explained,
  };
}
