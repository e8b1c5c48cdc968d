import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { guarantees, type GuaranteeResult } from '@nest-messaging/testing/conformance';

const folder = fileURLToPath(new URL('../../.tmp/guarantees/', import.meta.url));

/** Keeps what was shown for `scripts/guarantees.mjs`: all of it, or nothing, so that no table is made of half a run. */
export function keepResults(transport: string): (results: readonly GuaranteeResult[]) => void {
  return (results) => {
    const file = `${folder}${transport}.json`;
    rmSync(file, { force: true });
    if (results.length < guarantees.length) return;
    // In the order of the suite: tests that wait together may end in any.
    const kept = guarantees.map(({ name }) => results.find((result) => result.name === name));
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, JSON.stringify(kept, null, 2));
  };
}
