import type { Clock, TransportEvent } from '@nest-messaging/core/contract';
import type { DriverError } from '../driver/driver-error.js';

/** Where nothing is taken though the broker answers, as while too few replicas are in sync. */
export interface Troubles {
  /** Why nothing is taken in one place, such as `partition 3 of 'orders'`; undefined while there is none. */
  readonly blocked: string | undefined;
  /** @param long it was tried for as long as a request may take */
  refused(where: string, error: DriverError, long?: boolean): void;
  taken(where: string): void;
  /** Tells nothing more. */
  close(): void;
}

interface Trouble {
  readonly since: number;
  reason?: string;
  forget: () => void;
}

/** Milliseconds. A partition without a leader has another one by then, where that is not the fault. */
const PATIENCE = 3_000;
/** Milliseconds after which it is unknown whether it is so still: nothing was tried again. */
const FORGOTTEN_AFTER = 30_000;
/** Of these the health of the connection tells. */
const NO_ANSWER: ReadonlySet<string> = new Set(['CONNECTION', 'TIMEOUT', 'CLOSED']);

export function createTroubles(clock: Clock, report: (event: TransportEvent) => void): Troubles {
  const troubles = new Map<string, Trouble>();
  let closed = false;

  const reason = (): string | undefined => {
    for (const trouble of troubles.values()) if (trouble.reason !== undefined) return trouble.reason;
    return undefined;
  };

  const taken = (where: string): void => {
    const trouble = troubles.get(where);
    if (!trouble) return;
    trouble.forget();
    troubles.delete(where);
    if (trouble.reason !== undefined && reason() === undefined) report({ type: 'unblocked' });
  };

  return {
    get blocked() {
      return reason();
    },
    refused(where, error, long = false) {
      if (closed || NO_ANSWER.has(error.code)) return;
      const now = clock.now();
      const trouble = troubles.get(where) ?? { since: now, forget: () => undefined };
      troubles.set(where, trouble);
      trouble.forget();
      trouble.forget = clock.schedule(() => taken(where), FORGOTTEN_AFTER);
      if (!long && now - trouble.since < PATIENCE) return;
      const before = reason();
      trouble.reason = `Kafka takes nothing in ${where}: ${error.code} (${error.message})`;
      if (before === undefined) report({ type: 'blocked', reason: trouble.reason });
    },
    taken,
    close() {
      closed = true;
      for (const { forget } of troubles.values()) forget();
      troubles.clear();
    },
  };
}
