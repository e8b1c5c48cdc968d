import { setImmediate as turn } from 'node:timers/promises';

/**
 * Hands over one lot at a time: what comes up in one turn of the event loop goes together, and so does all that comes
 * while an earlier lot is under way.
 * @param ask never rejects; answers what is left for the next lot
 */
export function gathered<Item>(
  ask: (items: readonly Item[]) => Promise<readonly Item[]>,
): (item: Item) => void {
  let waiting: Item[] = [];
  let asking = false;

  async function askAll(): Promise<void> {
    asking = true;
    while (waiting.length > 0) {
      await turn();
      const items = waiting;
      waiting = [];
      const left = await ask(items);
      waiting = [...left, ...waiting];
    }
    asking = false;
  }

  return (item) => {
    waiting.push(item);
    if (!asking) void askAll();
  };
}
