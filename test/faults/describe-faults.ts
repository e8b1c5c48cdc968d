import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, it } from '@jest/globals';
import { describeHere } from '../support/describe-here.js';
import type { Ground, Site } from './ground.js';
import { rows } from './rows/index.js';
import { createStage } from './stage.js';

/** What became of a row: it passed, or why it does not apply. Those that failed or were left out are missing. */
export type Outcome = { readonly number: number } & (
  { readonly outcome: 'passed' } | { readonly outcome: 'meaningless'; readonly reason: string }
);

/** Milliseconds; beyond every wait inside a row, so that its own message is seen first. */
const LIMIT = 600_000;

const results = fileURLToPath(new URL('../../.tmp/faults', import.meta.url));

/** Lets every fault happen to a broker of this file's own, one after another. */
export function describeFaults(ground: Ground): void {
  describeHere(`faults on ${ground.id}`, ground.missing, () => {
    const outcomes: Outcome[] = [];
    let site: Site;

    beforeAll(async () => {
      site = await ground.start();
    }, 600_000);

    afterAll(async () => {
      await site?.remove();
      mkdirSync(results, { recursive: true });
      writeFileSync(
        join(results, `${ground.id}.json`),
        JSON.stringify({ name: ground.name, version: site?.version, outcomes }, undefined, 2),
      );
    }, 60_000);

    for (const { number, fault, needs, run } of rows) {
      const reason = needs.map((need) => ground.lacks[need]).find((why) => why !== undefined);
      const title = `${number} ${fault}`;
      if (reason !== undefined) {
        outcomes.push({ number, outcome: 'meaningless', reason });
        it.skip(`${title} (${reason})`, () => {});
        continue;
      }
      it(
        title,
        async () => {
          const stage = createStage(site);
          try {
            await run(stage);
          } finally {
            await stage.end();
            await site.network.mend();
          }
          outcomes.push({ number, outcome: 'passed' });
        },
        LIMIT,
      );
    }
  });
}
