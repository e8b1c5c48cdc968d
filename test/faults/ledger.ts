import assert from 'node:assert/strict';
import type { Letter, Told } from './application.js';
import { until } from './until.js';

export type Rejection = Extract<Told, { told: 'rejected' }>;
export type Run = Extract<Told, { told: 'began' | 'failed' | 'handled' }>;

/** What all processes of a row said of each message, by its id, and what was found set aside. */
export interface Ledger {
  readonly enter: (told: Told, pid: number) => void;
  readonly setAside: (letters: readonly Letter[]) => void;
  /** Publishes that began and did not settle. */
  readonly pending: ReadonlySet<string>;
  readonly resolved: ReadonlySet<string>;
  readonly rejected: ReadonlyMap<string, Rejection>;
  /** How often each message was handled with success, by group. */
  readonly handled: (group?: string) => ReadonlyMap<string, number>;
  /** Messages found among dead letters. */
  readonly dead: ReadonlyMap<string, Letter>;
  /** Everything handlers said, in the order in which it was read. */
  readonly runs: readonly (Run & { readonly pid: number })[];
  /** How many messages were handled more than once, and how often beyond that. */
  readonly duplicates: (group?: string) => number;
  /** Exceptions and rejections that nobody handled, and publishes that settled twice. */
  readonly violations: readonly string[];
}

export function createLedger(defaultGroup: string): Ledger {
  const pending = new Set<string>();
  const resolved = new Set<string>();
  const rejected = new Map<string, Rejection>();
  const handled = new Map<string, Map<string, number>>();
  const dead = new Map<string, Letter>();
  const runs: (Run & { pid: number })[] = [];
  const violations: string[] = [];

  const of = (group: string): Map<string, number> => {
    if (!handled.has(group)) handled.set(group, new Map());
    return handled.get(group)!;
  };
  const settle = (id: string): void => {
    if (!pending.delete(id)) violations.push(`the publish of ${id} settled twice`);
  };

  return {
    pending,
    resolved,
    rejected,
    dead,
    runs,
    violations,
    handled: (group = defaultGroup) => of(group),
    setAside: (letters) => letters.forEach((letter) => dead.set(letter.id, letter)),
    duplicates: (group = defaultGroup) => [...of(group).values()].reduce((sum, times) => sum + times - 1, 0),
    enter(told, pid) {
      switch (told.told) {
        case 'publishing':
          pending.add(told.id);
          break;
        case 'resolved':
          settle(told.id);
          resolved.add(told.id);
          break;
        case 'rejected':
          settle(told.id);
          rejected.set(told.id, told);
          break;
        case 'handled':
          of(told.group).set(told.id, (of(told.group).get(told.id) ?? 0) + 1);
          runs.push({ ...told, pid });
          break;
        case 'began':
        case 'failed':
          runs.push({ ...told, pid });
          break;
        case 'unhandled':
          violations.push(`${told.event} in process ${pid}: ${told.text}`);
          break;
        case 'ready':
        case 'refused':
        case 'log':
        case 'answer':
      }
    },
  };
}

/**
 * Waits until each message whose publish resolved has been handled or set aside in each group, and judges: nothing is
 * lost, no publish is left unsettled, nothing went unhandled.
 *
 * @param look finds the dead letters of a group
 */
export async function balance(
  ledger: Ledger,
  look: () => Promise<readonly Letter[]>,
  {
    groups = [undefined],
    within = 60_000,
  }: { groups?: readonly (string | undefined)[]; within?: number } = {},
): Promise<void> {
  const missing = (): string[] =>
    groups.flatMap((group) =>
      [...ledger.resolved].filter((id) => !ledger.handled(group).has(id) && !ledger.dead.has(id)),
    );
  await until(
    async () => {
      if (missing().length === 0) return true;
      ledger.setAside(await look());
      return missing().length === 0;
    },
    () =>
      `all ${ledger.resolved.size} that resolved: ${missing().length} are missing, such as ${missing().slice(0, 5).join(', ')}`,
    within,
  );
  assert.deepEqual([...ledger.pending], [], 'publishes that never settled');
  assert.deepEqual(ledger.violations, []);
}
