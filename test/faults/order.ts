import type { Ledger } from './ledger.js';

/**
 * What broke the order of keys. A message may begin once all that was published before it with its key has been handled;
 * again only where the process that had handled it was killed before it could say so. Needs a load that is `ordered`.
 *
 * @param killed processes that could not settle what they had handled
 */
export function disorder({ runs, resolved }: Ledger, killed: ReadonlySet<number>): string[] {
  const flaws: string[] = [];
  for (const key of new Set(runs.map((run) => run.key))) {
    if (key === undefined) continue;
    // What was rejected may have been published after all, and anywhere: its outcome is unknown.
    const of = runs.filter((run) => run.key === key && resolved.has(run.id)).sort((a, b) => a.at - b.at);
    const published = [...new Set(of.map(({ id }) => id))].sort((a, b) => numberOf(a) - numberOf(b));
    const places = new Map(published.map((id, place) => [id, place]));
    const handledBy: number[] = [];
    for (const { id, told, pid } of of) {
      const place = places.get(id)!;
      if (told === 'handled') handledBy[place] = pid;
      if (told !== 'began') continue;
      if (place > handledBy.length)
        flaws.push(`${id} of key ${key} began before ${published[handledBy.length]} was handled`);
      else if (place < handledBy.length && !killed.has(handledBy[place]!))
        flaws.push(`${id} of key ${key} began again, and the process that had handled it was not killed`);
    }
  }
  return flaws;
}

/** Of `<name>-<number>`. */
const numberOf = (id: string): number => Number(id.slice(id.lastIndexOf('-') + 1));
