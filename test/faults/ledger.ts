import assert from 'node:assert/strict';
import type { Letter, Told } from './application.js';
import { until } from './until.js';

export type Rejection = Extract<Told, { told: 'rejected' }>;
export type Run = Extract<Told, { told: 'began' | 'failed' | 'handled' }>;

/** What a handler of one process said. */
export type Said = Run & { readonly pid: number };

/** What all processes of a row said of each message, by its id, and what was found set aside. */
export interface Ledger {
  readonly enter: (told: Told, pid: number) => void;
  /** A process was killed: nobody knows what became of the publishes that it still waited for. */
  readonly died: (pid: number) => void;
  readonly setAside: (letters: readonly Letter[]) => void;
  /** Publishes that began and did not settle, with the process that waits for them. */
  readonly pending: ReadonlyMap<string, number>;
  readonly resolved: ReadonlySet<string>;
  readonly rejected: ReadonlyMap<string, Rejection>;
  /** How often each message was handled with success, by group. */
  readonly handled: (group?: string) => ReadonlyMap<string, number>;
  /** Messages found among dead letters, of one group or of all. */
  readonly dead: (group?: string) => ReadonlyMap<string, Letter>;
  /** Everything handlers said, in the order in which it was read. */
  readonly runs: readonly Said[];
  /** How many messages were handled more than once, and how often beyond that. */
  readonly duplicates: (group?: string) => number;
  /** Exceptions and rejections that nobody handled, and publishes that settled twice. */
  readonly violations: readonly string[];
}

export function createLedger(defaultGroup: string): Ledger {
  const pending = new Map<string, number>();
  const resolved = new Set<string>();
  const rejected = new Map<string, Rejection>();
  const handled = new Map<string, Map<string, number>>();
  const dead = new Map<string | undefined, Map<string, Letter>>();
  const runs: Said[] = [];
  const violations: string[] = [];

  const of = <Group, T>(all: Map<Group, Map<string, T>>, group: Group): Map<string, T> => {
    if (!all.has(group)) all.set(group, new Map());
    return all.get(group)!;
  };
  const settle = (id: string): void => {
    if (!pending.delete(id)) violations.push(`the publish of ${id} settled twice`);
  };

  return {
    pending,
    resolved,
    rejected,
    runs,
    violations,
    handled: (group = defaultGroup) => of(handled, group),
    dead: (group) => of(dead, group),
    setAside(letters) {
      for (const letter of letters)
        for (const group of [letter.group, undefined]) of(dead, group).set(letter.id, letter);
    },
    duplicates: (group = defaultGroup) =>
      [...of(handled, group).values()].reduce((sum, times) => sum + times - 1, 0),
    died(pid) {
      for (const [id, process] of pending) if (process === pid) pending.delete(id);
    },
    enter(told, pid) {
      switch (told.told) {
        case 'publishing':
          pending.set(told.id, pid);
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
          of(handled, told.group).set(told.id, (of(handled, told.group).get(told.id) ?? 0) + 1);
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
 * Waits until each message whose publish resolved has been handled or set aside in each of its groups, and judges:
 * nothing is lost, no publish is left unsettled, nothing went unhandled.
 *
 * @param look finds the dead letters
 */
export async function balance(
  ledger: Ledger,
  look: () => Promise<readonly Letter[]>,
  {
    groupsOf = () => [undefined],
    within = 60_000,
    gone = new Set(),
  }: {
    /** Those that must have a message; undefined is whichever handles it. */
    groupsOf?: (id: string) => readonly (string | undefined)[];
    within?: number;
    /** What need not be found. */
    gone?: ReadonlySet<string> | undefined;
  } = {},
): Promise<void> {
  const missing = (): string[] =>
    [...ledger.resolved].filter(
      (id) =>
        !gone.has(id) &&
        groupsOf(id).some((group) => !ledger.handled(group).has(id) && !ledger.dead(group).has(id)),
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
  assert.deepEqual([...ledger.pending.keys()], [], 'publishes that never settled');
  assert.deepEqual(ledger.violations, []);
}
