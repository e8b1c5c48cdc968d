import { createTurnoverSet, OverloadError, whenAborted } from '../contract/index.js';

/** How much there may be at a time. */
export interface RoomLimit {
  readonly messages: number;
  readonly bytes: number;
}

export interface Room {
  /** What gives the room back, where there is room now and nobody waits for it. */
  enter(bytes: number): (() => void) | undefined;
  /**
   * Resolves with what gives the room back; first come, first served. Rejects with the signal's reason once it aborts.
   * @throws {OverloadError} if more would wait than may
   */
  take(bytes: number, signal?: AbortSignal): Promise<() => void>;
  /** Messages that hold room now. */
  readonly taken: number;
  /** From now on there may be so many messages at a time; those there are beyond that stay. */
  resize(messages: number): void;
}

/** @param mayWait how much may wait for room, in messages and bytes; by default any number */
export function createRoom(limit: RoomLimit, mayWait?: RoomLimit): Room {
  let most = limit.messages;
  let messages = 0;
  let bytes = 0;
  let waitingBytes = 0;
  const waiting = createTurnoverSet<{ size: number; admit: () => void }>();

  // A message larger than the whole limit goes alone, or it would wait for ever.
  const fits = (size: number): boolean => messages < most && (bytes + size <= limit.bytes || messages === 0);

  const admit = (): void => {
    for (const next of waiting) {
      if (!fits(next.size)) return;
      next.admit();
    }
  };

  const occupy = (size: number): (() => void) => {
    messages += 1;
    bytes += size;
    return () => {
      messages -= 1;
      bytes -= size;
      admit();
    };
  };

  const enter = (size: number): (() => void) | undefined =>
    waiting.size === 0 && fits(size) ? occupy(size) : undefined;

  return {
    get taken() {
      return messages;
    },
    enter,
    resize(size) {
      most = size;
      admit();
    },
    take(size, signal) {
      if (signal?.aborted) return Promise.reject(signal?.reason as Error);
      const leave = enter(size);
      if (leave) return Promise.resolve(leave);
      const crowded =
        mayWait !== undefined &&
        waiting.size > 0 &&
        (waiting.size >= mayWait.messages || waitingBytes + size > mayWait.bytes);
      if (crowded)
        return Promise.reject(
          new OverloadError(
            `${messages} messages are on their way and ${waiting.size} wait: nothing was sent; publish more slowly, or raise publish.maxPending or publish.maxPendingBytes`,
          ),
        );
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          waiting.delete(entry);
          waitingBytes -= size;
          ignore?.();
        };
        const entry = {
          size,
          admit: () => {
            leave();
            resolve(occupy(size));
          },
        };
        const refuse = (): void => {
          leave();
          reject(signal?.reason as Error);
        };
        waiting.add(entry);
        waitingBytes += size;
        const ignore = signal && whenAborted(signal, refuse);
      });
    },
  };
}
