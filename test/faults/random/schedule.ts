import fc from 'fast-check';
import type { HandlerConfig, Load } from '../application.js';
import type { Ground } from '../ground.js';

/** What happens to the broker or to the way there. */
export type Trouble =
  | { readonly what: 'cut' | 'close' | 'swallow' | 'kill' | 'restart' }
  | { readonly what: 'slow'; readonly latency: number }
  | { readonly what: 'throttle'; readonly kilobytes: number };

/** What happens to a process; it is started again, or goes on. */
export interface Blow {
  readonly what: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP';
  /** Which of the processes. */
  readonly process: number;
}

/** One disturbance: trouble, a blow, or both at once. Times are milliseconds. */
export interface Step {
  /** How long nothing happens before it. */
  readonly calm: number;
  readonly lasts: number;
  readonly trouble: Trouble | undefined;
  readonly blow: Blow | undefined;
}

/** All that a seed chooses. */
export interface Schedule {
  readonly handlers: readonly HandlerConfig[];
  readonly loads: readonly Omit<Load, 'name'>[];
  readonly steps: readonly Step[];
}

export const TOPIC = 'work';
export const QUEUE = 'jobs';
/** Besides the service's own. */
export const OTHER_GROUP = 'audit';
/** Their last publishes, the others handle. */
export const PROCESSES = 4;

const attempts = 3;

const handlers = fc
  .record({
    concurrency: fc.integer({ min: 1, max: 50 }),
    initial: fc.integer({ min: 50, max: 500 }),
  })
  .map(({ concurrency, initial }): HandlerConfig[] => {
    const options = { concurrency, retry: { attempts, backoff: { initial, jitter: 0.2 } } };
    return [
      { topic: TOPIC, options },
      { topic: TOPIC, options: { ...options, group: OTHER_GROUP } },
      { queue: QUEUE, options },
    ];
  });

const payload = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  { weight: 2, arbitrary: fc.record({ ms: fc.integer({ min: 1, max: 400 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      act: fc.constant('fail' as const),
      times: fc.integer({ min: 1, max: attempts - 1 }),
    }),
  },
);

const load = (slower: number): fc.Arbitrary<Omit<Load, 'name'>> =>
  fc
    .record({
      address: fc.constantFrom({ topic: TOPIC }, { queue: QUEUE }),
      lanes: fc.integer({ min: 1, max: 4 }),
      pause: fc.integer({ min: 100, max: 400 }),
      size: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60_000 })),
      keys: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
      delay: fc.option(fc.integer({ min: 100, max: 5_000 }), { nil: undefined, freq: 2 }),
      payload,
    })
    .map(({ address, keys, delay, pause, ...about }) => ({
      ...about,
      ...address,
      pause: pause * slower,
      ...(keys !== undefined && { keys }),
      ...(delay !== undefined && { delay }),
    }));

/** Few of these, since each is looked at among the dead letters. */
const hopeless = (slower: number): Omit<Load, 'name'> => ({
  topic: TOPIC,
  pause: 500 * slower,
  payload: { act: 'fail' },
});

const trouble = ({ lacks }: Ground): fc.Arbitrary<Trouble> | undefined => {
  const possible: fc.Arbitrary<Trouble>[] = [];
  if (lacks.network === undefined)
    possible.push(
      fc.record({ what: fc.constantFrom('cut' as const, 'close' as const, 'swallow' as const) }),
      fc.record({ what: fc.constant('slow' as const), latency: fc.integer({ min: 20, max: 2_000 }) }),
      fc.record({ what: fc.constant('throttle' as const), kilobytes: fc.integer({ min: 50, max: 500 }) }),
    );
  if (lacks.restart === undefined)
    possible.push(fc.record({ what: fc.constantFrom('kill' as const, 'restart' as const) }));
  return possible.length === 0 ? undefined : fc.oneof(...possible);
};

const blow = ({ lacks }: Ground): fc.Arbitrary<Blow> =>
  fc.record({
    // Where messages end with their process, it can only be held up.
    what:
      lacks.network === undefined
        ? fc.constantFrom('SIGKILL' as const, 'SIGTERM' as const, 'SIGSTOP' as const)
        : fc.constant('SIGSTOP' as const),
    process: fc.nat(PROCESSES - 1),
  });

function step(ground: Ground): fc.Arbitrary<Step> {
  const none = fc.constant(undefined);
  const troubles = trouble(ground);
  const blows = blow(ground);
  return fc
    .record({
      calm: fc.integer({ min: 500, max: 8_000 }),
      lasts: fc.integer({ min: 100, max: 8_000 }),
      both: fc.oneof(
        ...(troubles ? [fc.tuple(troubles, none), fc.tuple(troubles, blows)] : []),
        fc.tuple(none, blows),
      ),
    })
    .map(({ both: [one, other], ...times }) => ({ ...times, trouble: one, blow: other }));
}

/** The same for the same seed, ground and number of steps. */
export function scheduleOf(seed: number, ground: Ground, steps: number): Schedule {
  const slower = ground.lacks.bulk === undefined ? 1 : 5;
  const schedules = fc.record({
    handlers,
    loads: fc
      .array(load(slower), { minLength: 4, maxLength: 6 })
      .map((loads) => [...loads, { topic: TOPIC, pause: 100 * slower }, hopeless(slower)]),
    steps: fc.array(step(ground), { minLength: steps, maxLength: steps }),
  });
  return fc.sample(schedules, { seed, numRuns: 1 })[0]!;
}

export function describeStep({ trouble: one, blow: other }: Step): string {
  return [one && Object.values(one).join(' '), other && `${other.what} to process ${other.process}`]
    .filter(Boolean)
    .join(' and ');
}
