import assert from 'node:assert/strict';
import { until as waited } from '../../scripts/brokers/until.mjs';

/** Waits for what a row observes: bounded, never a fixed time. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
  limit = 30_000,
): Promise<void> {
  if (await waited(condition, { within: limit, every: 25 })) return;
  assert.fail(`waited ${limit} ms for ${typeof what === 'string' ? what : what()}`);
}
