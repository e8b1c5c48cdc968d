import { afterAll, beforeAll, it } from '@jest/globals';
import { describeHere } from '../support/describe-here.js';
import type { Ground, Site } from './ground.js';
import { dropResult, keepResult } from './results.js';
import type { Row } from './row.js';
import { rows } from './rows/index.js';
import { onStage } from './stage.js';

/** A row that passed, or that does not apply, and why. */
export type Outcome = Pick<Row, 'number' | 'fault'> & { readonly reason?: string };

/** Milliseconds; beyond every wait inside a row, so that its own message is seen first. */
const LIMIT = 600_000;

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
      const complete = outcomes.length === rows.length;
      if (complete) keepResult(ground.id, { name: ground.name, version: site.version, outcomes });
      else dropResult(ground.id);
    }, 60_000);

    for (const { number, fault, needs, limit = LIMIT, run } of rows) {
      const reason = needs.map((need) => ground.lacks[need]).find((why) => why !== undefined);
      const title = `${number} ${fault}`;
      if (reason !== undefined) {
        outcomes.push({ number, fault, reason });
        process.stderr.write(`Skipped: ${title} on ${ground.id}: ${reason}\n`);
        it.skip(`${title} (${reason})`, () => {});
        continue;
      }
      it(
        title,
        async () => {
          await onStage(site, run);
          outcomes.push({ number, fault });
        },
        limit,
      );
    }
  });
}
