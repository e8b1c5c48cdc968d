import { describe } from '@jest/globals';

/** Tries a procedure of docs/operating.md, under the heading that it has there: runbook.spec.ts holds the two together. */
export const procedure = (heading: string, define: () => void): void =>
  describe(`the runbook’s '${heading}'`, define);
