import { afterAll, beforeAll, it } from '@jest/globals';
import { describeHere } from '../../support/describe-here.js';
import type { Ground, Site } from '../ground.js';
import { keepResult } from '../results.js';
import { onStage } from '../stage.js';
import { runAtRandom } from './run.js';

/** Of the short form: always the same, so that it fails only where something has changed. */
const SEED = Number(process.env['FAULTS_SEED'] ?? 1);
const SECONDS = Number(process.env['FAULTS_SECONDS'] ?? 40);

/** Lets a seed choose what happens, under load, to a broker of this file's own. */
export function describeRandom(ground: Ground): void {
  describeHere(`random faults on ${ground.id}`, ground.missing, () => {
    let site: Site;

    beforeAll(async () => {
      site = await ground.start();
    }, 600_000);
    afterAll(() => site?.remove(), 60_000);

    it(
      `seed ${SEED}, ${SECONDS} s`,
      async () => {
        const began = performance.now();
        const say = (line: string): void => {
          if (SECONDS <= 60) return;
          const at = Math.round((performance.now() - began) / 1_000);
          process.stderr.write(`${ground.id} ${at} s: ${line}\n`);
        };
        await onStage(site, async (stage) => {
          const figures = await runAtRandom(ground, stage, { seed: SEED, seconds: SECONDS, say });
          keepResult(`random/${ground.id}`, {
            name: ground.name,
            version: site.version,
            node: process.version,
            ...figures,
          });
        });
      },
      SECONDS * 1_000 + 600_000,
    );
  });
}
