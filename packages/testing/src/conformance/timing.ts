import assert from 'node:assert/strict';

/** Measured one after another: a machine that stops for a moment makes one of them late, wrong delays make all. */
const TIMES = 3;

/**
 * Measures several times how long things take. None may take less than asked for; and most of them no more than a
 * fifth or a second longer, whichever is more.
 *
 * @param asked milliseconds, by what is measured
 */
export async function assertTakes<What extends string>(
  asked: Readonly<Record<What, number>>,
  measure: () => Promise<Readonly<Record<What, number>>>,
): Promise<void> {
  const measured: Readonly<Record<What, number>>[] = [];
  for (let n = 0; n < TIMES; n++) measured.push(await measure());
  for (const what of Object.keys(asked) as What[])
    assertElapsed(
      measured.map((each) => each[what]),
      asked[what],
      what,
    );
}

function assertElapsed(elapsed: readonly number[], asked: number, what: string): void {
  const earliest = asked - Math.max(20, asked * 0.05);
  const latest = asked + Math.max(1_000, asked * 0.2);
  const inOrder = [...elapsed].sort((a, b) => a - b);
  assert.ok(
    inOrder[0]! >= earliest && inOrder[Math.floor(inOrder.length / 2)]! <= latest,
    `${what} came after ${elapsed.map((ms) => Math.round(ms)).join(', ')} ms: expected ${asked} ms`,
  );
}
