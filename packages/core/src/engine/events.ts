import type { Message, TransportEvent } from '../contract/index.js';

/** Which message, in which group, at which attempt. */
export interface Handling {
  readonly message: Message;
  readonly group: string;
  readonly attempt: number;
}

/** What happens in a running engine, for logs, metrics and tests. Bodies and `payload` are in it: print neither. */
export type EngineEvent =
  | TransportEvent
  | { readonly type: 'published'; readonly message: Message; readonly payload: unknown }
  /** A subscription, in words, takes nothing more in this process, or goes on, as somebody or its circuit wanted. */
  | { readonly type: 'paused' | 'resumed'; readonly subscription: string }
  | { readonly type: 'resized'; readonly subscription: string; readonly concurrency: number }
  /** The circuit that a subscription depends on: it is paused until that closes. */
  | { readonly type: 'circuit-opened' | 'circuit-closed'; readonly subscription: string }
  /** Set back to what was published at `from`, in milliseconds since 1970. */
  | { readonly type: 'replayed'; readonly subscription: string; readonly from: 'beginning' | number }
  /** An attempt begins; `handled`, `retried`, `dead-lettered`, `discarded` or `released` tells how it ended. */
  | ({ readonly type: 'attempted' } & Handling)
  | ({ readonly type: 'handled'; readonly duration: number } & Handling)
  | ({ readonly type: 'retried'; readonly error: unknown; readonly delay: number } & Handling)
  | ({ readonly type: 'dead-lettered'; readonly error: unknown } & Handling)
  /** Thrown away on purpose: `Discard`, `deadLetter: false`, or the last failure of a broadcast. */
  | ({ readonly type: 'discarded'; readonly error: unknown } & Handling)
  | ({ readonly type: 'expired' } & Handling)
  /** Returned to the broker; with the error, where a handler failed and that is not the message's fault. */
  | ({ readonly type: 'released'; readonly error?: unknown } & Handling);

export type Observer = (event: EngineEvent) => void;
