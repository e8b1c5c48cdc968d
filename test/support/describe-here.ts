import { describe } from '@jest/globals';

/** Describes what may not be able to run here; then it is skipped, and the terminal says why. */
export function describeHere(title: string, missing: string | undefined, define: () => void): void {
  if (missing === undefined) {
    describe(title, define);
  } else {
    process.stderr.write(`Skipped: ${title}: ${missing}\n`);
    describe.skip(`${title} (${missing})`, define);
  }
}
