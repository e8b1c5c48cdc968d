import type { OutgoingMessage, Settlement } from '../contract/index.js';
import { reportOnlooker, type Handed, type Handling, type Observer } from './events.js';

/** One run of a handler. */
export interface Run {
  /** The handler gets batches, be it one of a single message. */
  readonly batch: boolean;
  /** The message, or those of the batch; never none. */
  readonly attempts: readonly Handling[];
}

/** The connection that is followed. */
export interface Followed {
  /** Its name in the module's configuration. */
  readonly connection: string;
  /** Its transport, such as `rabbitmq`. */
  readonly transport: string;
}

/**
 * Follows what one connection does, to trace and to measure it. Called for each message; nothing is, and nothing is made,
 * where there are none. Each runs where what it follows runs, so that what is active there (`AsyncLocalStorage`) is active
 * here. Whatever they throw is told to Node and changes nothing; promises that they are given may reject, and are theirs to
 * handle.
 */
export interface Instruments {
  /**
   * A message is to be published. To be called once before this returns: `send`, with the message or with one that carries
   * more headers. It resolves when the broker has it, and rejects as the publish does.
   */
  publish(message: OutgoingMessage, send: (message: OutgoingMessage) => Promise<void>): void;
  /**
   * A handler is to run. To be called once before this returns: `handle`, which decodes, validates and calls it; what
   * surrounds the call surrounds the handler. Rejects as the handler does, or when its time is up.
   */
  process(run: Run, handle: () => Promise<unknown>): void;
  /** What becomes of a delivery is decided; answers who is told when that has been carried out, or why it was not. */
  settle(handed: Handed, settlement: Settlement): (error?: unknown) => void;
  /** Whatever else happens. */
  readonly observe?: Observer;
}

/** Makes what follows a connection; called once for each, before it connects. */
export type Telemetry = (connection: Followed) => Instruments;

/** The same, as the engine sees it: what is followed is as it would be without. */
export interface Following {
  publish(message: OutgoingMessage, send: (message: OutgoingMessage) => Promise<void>): Promise<void>;
  process<T>(run: Run, handle: () => Promise<T>): Promise<T>;
  settle(handed: Handed, settlement: Settlement): Settlement;
}

/** Runs once, whatever becomes of whoever follows it. */
function once<Given, T>(
  run: (given: Given) => Promise<T>,
  given: Given,
  follow: (run: (given: Given) => Promise<T>) => void,
): Promise<T> {
  let running: Promise<T> | undefined;
  try {
    follow((seen) => (running ??= run(seen)));
  } catch (error) {
    reportOnlooker(error);
  }
  return running ?? run(given);
}

export function followedBy(instruments: Instruments): Following {
  return {
    publish: (message, send) => once(send, message, (sending) => instruments.publish(message, sending)),
    process: (run, handle) =>
      once(handle, undefined, (handling) => instruments.process(run, () => handling(undefined))),
    settle(handed, settlement) {
      try {
        const tell = instruments.settle(handed, settlement);
        return {
          ...settlement,
          carriedOut(error) {
            try {
              tell(error);
            } catch (thrown) {
              reportOnlooker(thrown);
            }
          },
        };
      } catch (error) {
        reportOnlooker(error);
        return settlement;
      }
    },
  };
}
