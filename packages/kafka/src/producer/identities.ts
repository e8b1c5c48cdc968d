import { asDriverError } from '../driver/driver-error.js';
import type { Client, ProducerId } from '../driver/driver.js';

/** A producer id, and the next number of each partition under it. */
export interface Identity extends ProducerId {
  readonly sequences: Map<string, number>;
}

/** Under which producer id new batches are numbered: one for all, until it is retired. */
export interface Identities {
  /** Undefined until it is asked for, and once it is retired. */
  readonly current: Identity | undefined;
  /** Asks for one, if there is none. @throws {DriverError} if no broker gives one in time */
  renew(): Promise<void>;
  /** Nothing new is numbered under it. */
  retire(identity: Identity | undefined): void;
}

/** Milliseconds in which a broker must come to give an id. */
const PATIENCE = 5_000;
const PAUSE = 50;

/** @param pause rejects when all is closed */
export function createIdentities(
  client: Pick<Client, 'producerId'>,
  pause: (milliseconds: number) => Promise<void>,
): Identities {
  let current: Identity | undefined;
  let asking: Promise<void> | undefined;

  async function ask(): Promise<void> {
    const patience = performance.now() + PATIENCE;
    while (!current) {
      try {
        current = { ...(await client.producerId()), sequences: new Map() };
      } catch (error) {
        // Soon after its start, and now and then later, a broker waits for a range of ids from the controller.
        const loading = asDriverError(error).code === 'COORDINATOR_LOAD_IN_PROGRESS';
        if (!loading || performance.now() > patience) throw error;
        await pause(PAUSE);
      }
    }
  }

  return {
    get current() {
      return current;
    },
    async renew() {
      // Those who ask at the same time share one: another for each would be thrown away.
      await (asking ??= ask().finally(() => (asking = undefined)));
    },
    retire(identity) {
      if (current === identity) current = undefined;
    },
  };
}
