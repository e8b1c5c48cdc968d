import { inspect } from 'node:util';
import type { Destination, Message, TransportEvent } from '../contract/index.js';

/** Which message, for which handler. */
export interface Handed {
  readonly message: Message;
  /** The topic, pattern or queue as the handler names it. */
  readonly source: string;
  readonly group: string;
}

/** Which message, for which handler, at which attempt. */
export interface Handling extends Handed {
  readonly attempt: number;
}

/** How an attempt ended that failed. */
export interface Failed extends Handling {
  readonly error: unknown;
  /** Milliseconds that the handler ran; left out where none did. */
  readonly duration?: number;
}

/** What happens in a running engine, for logs, metrics and tests. Bodies and `payload` are in it: print neither. */
export type EngineEvent =
  | TransportEvent
  | { readonly type: 'published'; readonly message: Message; readonly payload: unknown }
  /** A publish was refused because too much waited: nothing was sent. */
  | { readonly type: 'overload'; readonly destination: Destination; readonly error: unknown }
  /** A subscription, in words, takes nothing more in this process, or goes on, as somebody or its circuit wanted. */
  | { readonly type: 'paused'; readonly subscription: string }
  | { readonly type: 'resumed'; readonly subscription: string }
  | { readonly type: 'resized'; readonly subscription: string; readonly concurrency: number }
  /** The circuit that a subscription depends on: it is paused until that closes. */
  | { readonly type: 'circuit-opened'; readonly subscription: string }
  | { readonly type: 'circuit-closed'; readonly subscription: string }
  /** Set back to what was published at `from`, in milliseconds since 1970. */
  | { readonly type: 'replayed'; readonly subscription: string; readonly from: 'beginning' | number }
  /** An attempt begins; `handled`, `retried`, `dead-lettered`, `discarded` or `released` tells how it ended. */
  | ({ readonly type: 'attempted' } & Handling)
  /** `duration` in milliseconds. */
  | ({ readonly type: 'handled'; readonly duration: number } & Handling)
  /** `delay` in milliseconds. */
  | ({ readonly type: 'retried'; readonly delay: number } & Failed)
  | ({ readonly type: 'dead-lettered' } & Failed)
  /** Thrown away on purpose: `Discard`, `deadLetter: false`, or the last failure of a broadcast. */
  | ({ readonly type: 'discarded' } & Failed)
  | ({ readonly type: 'expired' } & Handling)
  /**
   * Returned to the broker, or behind one of its key that is tried again; with the error, where a handler failed and that is
   * not the message's fault.
   */
  | ({ readonly type: 'released' } & Handling & Partial<Pick<Failed, 'error' | 'duration'>>);

export type Observer = (event: EngineEvent) => void;

/** Whoever looks on changes nothing: what it throws is told to Node, and goes no further. */
export function reportOnlooker(error: unknown): void {
  process.emitWarning(`an observer of messaging failed: ${inspect(error)}`);
}

const harmless =
  (observe: Observer): Observer =>
  (event) => {
    try {
      observe(event);
    } catch (error) {
      reportOnlooker(error);
    }
  };

/** Tells all of them, one after the other, whatever one of them throws. */
export function toAll(first: Observer, ...others: readonly Observer[]): Observer {
  // Not a loop: that would make something for each event.
  return others.map(harmless).reduce(
    (before, next) => (event) => {
      before(event);
      next(event);
    },
    harmless(first),
  );
}
