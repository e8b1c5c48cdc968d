import type { HealthPart } from '../contract/index.js';
import type { Backlog, PendingPublishes } from '../engine/index.js';
import type { Engines } from './runtime.js';

/** State of one connection of the application. */
export interface ConnectionHealth {
  /** The connection's name; `default` is the module's own broker. */
  readonly connection: string;
  /** Its transport, such as `rabbitmq`. */
  readonly broker: string;
  /** Every part is. */
  readonly ready: boolean;
  /** No part has given up. */
  readonly live: boolean;
  /** The application on this connection, what it is connected to, and each of its subscriptions. */
  readonly parts: readonly HealthPart[];
  readonly publishing: PendingPublishes;
}

/** State of the application's messaging. */
export interface MessagingHealthReport {
  /** Every connection is: the application can publish and handle now. */
  readonly ready: boolean;
  /** Every connection is: the application works, or tries to, and a new process would do no better. */
  readonly live: boolean;
  readonly connections: readonly ConnectionHealth[];
}

/** What waits for one subscription, and on which connection. */
export interface SubscriptionBacklog extends Backlog {
  readonly connection: string;
  readonly broker: string;
}

/** Whether the application can publish and handle, for probes, and what waits for it. Never rejects. */
export class MessagingHealth {
  readonly #engines: Engines;

  /** @internal */
  constructor(engines: Engines) {
    this.#engines = engines;
  }

  /**
   * Asks no broker, and answers at once.
   *
   * `ready` is for a readiness probe: not before the application has started, not while it drains, not while a broker is
   * away or a subscription has no consumer, unless it was paused. `live` is for a liveness probe: always, but where the
   * application could not start, or something of it has stopped and nobody tries again.
   */
  async check(): Promise<MessagingHealthReport> {
    const connections = await Promise.all(
      [...this.#engines.values()].map(async (engine) => ({
        connection: engine.connection,
        broker: engine.transport,
        ...(await engine.health()),
      })),
    );
    return {
      ready: connections.every(({ ready }) => ready),
      live: connections.every(({ live }) => live),
      connections,
    };
  }

  /**
   * How many messages wait on the brokers for each subscription that has a handler here, paused ones included and
   * broadcasts left out. Asks each broker, once in five seconds however often it is called, and waits five seconds at
   * most; what it does not learn has a `reason` instead. Not for a probe.
   */
  async backlog(): Promise<readonly SubscriptionBacklog[]> {
    const backlogs = await Promise.all(
      [...this.#engines.values()].map(async (engine) =>
        (await engine.backlog()).map((backlog) => ({
          connection: engine.connection,
          broker: engine.transport,
          ...backlog,
        })),
      ),
    );
    return backlogs.flat();
  }
}
