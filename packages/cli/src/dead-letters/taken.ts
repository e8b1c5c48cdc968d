import type { DeadLettersTaken } from '@nest-messaging/core';
import { onOneLine } from './letters.js';
import { writeJson, type FullTerminal } from '../terminal.js';

/** Says what became of how many, or would: ids alone are for other programs. */
export function writeTaken(
  terminal: FullTerminal,
  taken: DeadLettersTaken,
  { did, json }: { readonly did: string; readonly json: boolean },
): void {
  const { count, ids, expired } = taken;
  if (json) return writeJson(terminal, { ...taken, complete: expired === undefined });
  if (ids === undefined) return terminal.out(`${count} ${did}\n`);
  for (const id of ids) terminal.out(`${onOneLine(id)}\n`);
  terminal.error(`${count} would be ${did}\n`);
}
