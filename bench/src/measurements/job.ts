import type { Breadth, Contestant, Place } from '../contestant.js';
import type { Effort } from '../effort.js';
import type { Figures } from '../metrics.js';
import { perMessage, type Profile } from '../profile.js';
import type { Count } from '../tally.js';

/** What one process shall measure. */
export interface Job {
  readonly place: Place;
  /** Bytes of each message. */
  readonly size: number;
  /** The first message's id, where earlier ones went to the same place. */
  readonly from: number;
  /** Messages, those that warm up included: their first third. */
  readonly count: number;
  /** Messages per second, where they come at a fixed rate. */
  readonly rate: number;
  /** Whether what is sent reaches this process alone, as in memory, so that it must be counted here. */
  readonly within: boolean;
  /** Left out where it has one subscription, and publishes to its topic. */
  readonly breadth?: Breadth;
  /** Whether it is told where processor time goes, which costs some. */
  readonly profiled?: boolean;
}

export interface Outcome {
  readonly figures: Figures;
  /** Left out where another process counts what this one sent. */
  readonly count?: Count;
  /** For each message, if it was asked for. */
  readonly profile?: Profile;
}

export type Measure = (contestant: Contestant, job: Job) => Promise<Outcome>;

/**
 * How many of the messages only warm up what they pass through. A service runs for days: where a tenth of 20,000 warmed
 * up, what was measured was the compiler, at half as much again for each message.
 */
export const warmUp = (count: number): number => Math.ceil(count / 3);

/** What was profiled, for each of the messages that were timed. */
export const profileOf = (effort: Effort | undefined, timed: number): Pick<Outcome, 'profile'> =>
  effort?.profile ? { profile: perMessage(effort.profile, timed) } : {};
