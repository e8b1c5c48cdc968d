import * as v from 'valibot';
import { countSchema, durationSchema, milliseconds, type Duration } from '../contract/index.js';

export interface BackoffOptions {
  /** Delay after the first failure. @default '1s' */
  readonly initial?: Duration;
  /** Each further delay is this many times the one before. @default 2 */
  readonly factor?: number;
  /** No delay is longer. @default '5m' */
  readonly max?: Duration;
  /** Share of the delay by which it varies at random, so that failures do not come back together. @default 0.1 */
  readonly jitter?: number;
}

/** Any class of errors, abstract ones included. */
export type ErrorClass = abstract new (...args: never[]) => unknown;

export interface RetryOptions {
  /** How often the handler is tried in all, the first time included. @default 5 */
  readonly attempts?: number;
  readonly backoff?: BackoffOptions;
  /** Errors of these classes are dead-lettered at once. Replaces the default. */
  readonly never?: readonly ErrorClass[];
}

export interface RetryPolicy {
  readonly attempts: number;
  readonly initial: number;
  readonly factor: number;
  readonly max: number;
  readonly jitter: number;
  readonly never: readonly ErrorClass[];
}

export const retrySchema: v.GenericSchema<RetryOptions> = v.strictObject({
  attempts: v.optional(countSchema),
  backoff: v.optional(
    v.strictObject({
      initial: v.optional(durationSchema),
      factor: v.optional(v.pipe(v.number(), v.minValue(1, 'at least 1'))),
      max: v.optional(durationSchema),
      jitter: v.optional(v.pipe(v.number(), v.minValue(0, 'from 0 to 1'), v.maxValue(1, 'from 0 to 1'))),
    }),
  ),
  never: v.optional(v.array(v.custom<ErrorClass>((value) => typeof value === 'function', 'an error class'))),
});

/** One object of several: what later ones set wins, what they leave `undefined` they leave as it was. */
export function layered<T extends object>(...layers: readonly (T | undefined)[]): Partial<T> {
  const set = layers.flatMap((layer) =>
    Object.entries(layer ?? {}).filter(([, value]) => value !== undefined),
  );
  return Object.fromEntries(set) as Partial<T>;
}

/** Later options win, key by key. */
export function retryPolicy(...layers: readonly (RetryOptions | undefined)[]): RetryPolicy {
  const options: RetryOptions = layered(...layers);
  const backoff: BackoffOptions = layered(...layers.map((layer) => layer?.backoff));
  return {
    attempts: options.attempts ?? 5,
    initial: milliseconds(backoff.initial ?? '1s'),
    factor: backoff.factor ?? 2,
    max: milliseconds(backoff.max ?? '5m'),
    jitter: backoff.jitter ?? 0.1,
    never: options.never ?? [],
  };
}

function backoff(policy: RetryPolicy, failures: number): number {
  // 0 times an infinite growth would be no number.
  return policy.initial === 0 ? 0 : Math.min(policy.max, policy.initial * policy.factor ** (failures - 1));
}

/** Milliseconds to wait after so many failures; whole, since no broker counts finer. */
export function delayAfter(
  policy: RetryPolicy,
  failures: number,
  random: () => number = Math.random,
): number {
  const varied = backoff(policy, failures) * (1 + policy.jitter * (2 * random() - 1));
  return Math.round(Math.min(policy.max, varied));
}

/** The longest that all delays of a message can add up to, in milliseconds. */
export function longestWait(policy: RetryPolicy): number {
  let sum = 0;
  for (let failures = 1; failures < policy.attempts; failures++) {
    const delay = Math.min(policy.max, backoff(policy, failures) * (1 + policy.jitter));
    // From the ceiling on, and without growth, all delays are the same: attempts may be as good as endless.
    if (delay === policy.max || delay === 0 || policy.factor === 1)
      return sum + delay * (policy.attempts - failures);
    sum += delay;
  }
  return sum;
}
