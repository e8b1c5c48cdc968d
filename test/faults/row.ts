import type { Need } from './ground.js';
import type { Stage } from './stage.js';

/** One fault that is survived, and how that is seen. */
export interface Row {
  readonly number: number;
  readonly fault: string;
  /** What the broker must have for the fault to mean anything. */
  readonly needs: readonly Need[];
  /** Longest that it may take, in milliseconds. @default ten minutes */
  readonly limit?: number;
  readonly run: (stage: Stage) => Promise<void>;
}
