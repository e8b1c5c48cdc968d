import assert from 'node:assert/strict';

/** No sooner than asked for, and later by no more than a fifth or a second, whichever is more. */
export function assertElapsed(elapsed: number, asked: number, what: string): void {
  const earliest = asked - Math.max(20, asked * 0.05);
  const latest = asked + Math.max(1_000, asked * 0.2);
  assert.ok(
    elapsed >= earliest && elapsed <= latest,
    `${what} came after ${Math.round(elapsed)} ms: expected ${asked} ms`,
  );
}
