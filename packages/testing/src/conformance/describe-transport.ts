import assert from 'node:assert/strict';
import type { Guarantee } from './guarantee.js';
import { guarantees } from './guarantees.js';
import { show, type Keeping } from './show.js';
import { createStage } from './stage.js';
import type { Hook, Optional, TestBroker } from './test-broker.js';

export interface TransportUnderTest {
  /** The transport's name in titles and in the table of guarantees. */
  readonly name: string;
  /** Called once for each guarantee; what is costly may be shared between calls. */
  readonly create: () => Promise<TestBroker> | TestBroker;
  /**
   * Which hooks the test brokers do not have, and why what they would do has no meaning for this transport; and what the
   * transport leaves out of what the contract lets it, and why. What is neither there nor explained is a failure of each
   * guarantee that needs it.
   */
  readonly lacks?: Partial<Readonly<Record<Hook | Optional, string>>>;
  /**
   * How many of the guarantees that wait for time to pass are shown together.
   * @default 4: they wait more than they do, but more would make each other late on a small machine
   */
  readonly together?: number;
  /** Called at the end with what was shown; guarantees that failed or were filtered out are missing. */
  readonly report?: (results: readonly GuaranteeResult[]) => void | Promise<void>;
}

/** A guarantee and how a broker keeps it. */
export type GuaranteeResult = Pick<Guarantee, 'concern' | 'name'> &
  (
    | { readonly kept: Keeping }
    /** There is nothing to show, and why. */
    | { readonly kept: 'meaningless'; readonly reason: string }
  );

/** What the suite needs of a test runner: Jest and Vitest have it as globals, or import it. */
export interface TestRunner {
  readonly describe: (name: string, define: () => void) => unknown;
  readonly it: (name: string, run: () => Promise<void>, timeout?: number) => unknown;
  readonly afterAll: (run: () => Promise<void>) => unknown;
}

const TOGETHER = 4;
/** Milliseconds; beyond every wait inside a guarantee, so that its own message is seen first. */
const LIMIT = 240_000;
/** And beyond what ends and cleans up after it. */
const TIMEOUT = 2 * LIMIT;

/** Whether it is there, whatever is said. */
async function has(under: TestBroker, what: string): Promise<boolean> {
  const stage = createStage(under);
  try {
    if (what !== 'backlog' && what !== 'resize') return under[what as Hook] !== undefined;
    const { transport, subscribe } = await stage.open();
    const { consumer } = await subscribe(stage.topic());
    return what === 'backlog' ? transport.backlog !== undefined : consumer.resize !== undefined;
  } finally {
    await stage.end();
  }
}

/**
 * Shows every guarantee on a transport, one test each.
 *
 * @param runner by default the globals of the test runner; Vitest without `globals` passes its own imports
 */
export function describeTransport(
  { name, create, lacks = {}, together = TOGETHER, report }: TransportUnderTest,
  runner: TestRunner = globalThis as unknown as TestRunner,
): void {
  const results: GuaranteeResult[] = [];
  const waiting = new Map<Guarantee, Promise<Keeping>>();

  /** Those that wait for time to pass wait together: the first one that runs starts them. */
  const shown = (guarantee: Guarantee): Promise<Keeping> => {
    if (!guarantee.waits) return show(guarantee, create, LIMIT);
    if (waiting.size === 0) {
      const lanes: Promise<unknown>[] = [];
      for (const [n, other] of guarantees.filter(({ waits }) => waits).entries()) {
        const lane = n % together;
        const showing = (lanes[lane] ?? Promise.resolve()).then(() => show(other, create, LIMIT));
        lanes[lane] = showing.catch(() => {}); // its own test tells of it
        waiting.set(other, showing);
      }
    }
    return waiting.get(guarantee)!;
  };

  /** Why there is nothing to show. */
  const excuse = ({ hook, optional }: Guarantee): string | undefined =>
    (hook && lacks[hook]) ?? (optional && lacks[optional]);

  const state = (guarantee: Guarantee): void => {
    const { concern } = guarantee;
    const reason = excuse(guarantee);
    if (reason) {
      results.push({ concern, name: guarantee.name, kept: 'meaningless', reason });
      return;
    }
    const run = async (): Promise<void> => {
      results.push({ concern, name: guarantee.name, kept: await shown(guarantee) });
    };
    runner.it(guarantee.name, run, TIMEOUT);
  };

  runner.describe(name, () => {
    for (const concern of new Set(guarantees.map((guarantee) => guarantee.concern))) {
      const own = guarantees.filter((guarantee) => guarantee.concern === concern);
      if (own.every(excuse)) own.forEach(state);
      else runner.describe(concern, () => own.forEach(state));
    }
    for (const [what, reason] of Object.entries(lacks))
      runner.it(`Nothing to show by '${what}': ${reason}`, async () => {
        assert.equal(await has(await create(), what), false, `'${what}' is there after all`);
      });
    runner.afterAll(async () => {
      // Those that the first one started and a filter left out end before whatever is cleaned up after the suite.
      await Promise.allSettled(waiting.values());
      await report?.(results);
    });
  });
}
