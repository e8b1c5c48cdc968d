/** How much 100,000 short-lived objects leave behind in a set that has seen a full garbage collection, in bytes. */
import v8 from 'node:v8';
import { createTurnoverMap, createTurnoverSet } from '@nest-messaging/core/contract';

/** @typedef {{ readonly content: readonly number[] }} One */

const promoted = () =>
  v8.getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')?.space_used_size ?? 0;

/**
 * @param {(one: One) => unknown} add
 * @param {(one: One) => unknown} remove
 */
function left(add, remove) {
  /** @type {One[]} */
  const held = [];
  /** @param {number} count */
  const pass = (count) => {
    for (let at = 0; at < count; at += 1) {
      const one = { content: Array.from({ length: 100 }, () => at) };
      add(one);
      held.push(one);
      const oldest = held.length > 100 && held.shift();
      if (oldest) remove(oldest);
    }
  };
  pass(1_000);
  globalThis.gc?.();
  const before = promoted();
  pass(100_000);
  return promoted() - before;
}

const [plain, turnover, map] = [new Set(), createTurnoverSet(), createTurnoverMap()];
console.log(
  JSON.stringify({
    plain: left(
      (one) => plain.add(one),
      (one) => plain.delete(one),
    ),
    set: left(
      (one) => turnover.add(one),
      (one) => turnover.delete(one),
    ),
    map: left(
      (one) => map.set(one, one),
      (one) => map.delete(one),
    ),
  }),
);
