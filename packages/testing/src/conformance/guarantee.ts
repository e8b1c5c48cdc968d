import type { Capabilities, Support } from '@nest-messaging/core/contract';
import type { Hook, Optional } from './test-broker.js';
import type { Stage } from './stage.js';

/** One promise of the module, as a user understands it, and what shows that a broker keeps it. */
export interface Guarantee {
  readonly concern: string;
  /** A sentence. */
  readonly name: string;
  /** What it asks of the broker; `native` where every broker must have it. */
  readonly support: (capabilities: Capabilities) => Support;
  /** What it needs of the test's surroundings. */
  readonly hook?: Hook;
  /** What it shows, where the contract lets a transport leave it out. */
  readonly optional?: Optional;
  /** It waits for real time on a real broker, so it runs beside the others that do. */
  readonly waits: boolean;
  readonly run: (stage: Stage) => Promise<void>;
  /** Shows that a broker without the support refuses, and says why. */
  readonly refusal?: (stage: Stage) => Promise<void>;
}

type Options = Partial<Pick<Guarantee, 'support' | 'hook' | 'optional' | 'waits' | 'refusal'>>;

/** How a file of guarantees states one of them. */
export type State = (name: string, run: Guarantee['run'], options?: Options) => void;

/** Collects the guarantees of one concern. */
export function concern(title: string, define: (states: State) => void): readonly Guarantee[] {
  const guarantees: Guarantee[] = [];
  define((name, run, options = {}) =>
    guarantees.push({ concern: title, name, run, support: () => 'native', waits: false, ...options }));
  return guarantees;
}
