import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';

/** Waits for what a row observes: bounded, never a fixed time. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
  limit = 30_000,
): Promise<void> {
  const deadline = performance.now() + limit;
  while (!(await condition())) {
    if (performance.now() > deadline)
      assert.fail(`waited ${limit} ms for ${typeof what === 'string' ? what : what()}`);
    await wait(25);
  }
}
