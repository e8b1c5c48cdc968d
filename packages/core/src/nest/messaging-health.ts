import type { Health } from '../contract/index.js';
import type { Engines } from './runtime.js';

/** State of one connection of the application. */
export interface ConnectionHealth extends Health {
  /** The connection's name; `default` is the module's own broker. */
  readonly connection: string;
  /** Its transport, such as `rabbitmq`. */
  readonly broker: string;
}

/** Ready only if every connection is. */
export interface MessagingHealthReport {
  readonly ready: boolean;
  readonly connections: readonly ConnectionHealth[];
}

/**
 * Whether the application can publish and handle now, for a readiness probe: not before it has started, not while it
 * drains, not while a broker is away or a subscription has no consumer. Asks no broker; answers at once.
 */
export class MessagingHealth {
  readonly #engines: Engines;

  /** @internal */
  constructor(engines: Engines) {
    this.#engines = engines;
  }

  async check(): Promise<MessagingHealthReport> {
    const connections = await Promise.all(
      [...this.#engines.values()].map(async (engine) => ({
        connection: engine.connection,
        broker: engine.transport,
        ...(await engine.health()),
      })),
    );
    return { ready: connections.every(({ ready }) => ready), connections };
  }
}
