import type { ExplainedConnection, ExplainedRefusal } from '../engine/index.js';

/** All that an application's messaging is, and whether it would start. Plain data: it can be written as JSON. */
export interface Explanation {
  /** In the order of the module's `connections`, its own broker first. */
  readonly connections: readonly ExplainedConnection[];
  /** Every reason for which the application would not start, of its handlers and of all else; empty if it would. */
  readonly refusals: readonly ExplainedRefusal[];
}
