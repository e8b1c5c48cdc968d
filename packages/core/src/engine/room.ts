/** How much may be taken at a time. */
export interface RoomLimit {
  readonly messages: number;
  readonly bytes: number;
}

export interface Room {
  /** Resolves with what gives the room back. First come, first served. Rejects with the signal's reason. */
  take(bytes: number, signal?: AbortSignal): Promise<() => void>;
  /** Messages that hold room now. */
  readonly taken: number;
}

export function createRoom(limit: RoomLimit): Room {
  let messages = 0;
  let bytes = 0;
  const waiting = new Set<{ size: number; admit: () => void }>();

  // A message larger than the whole limit goes alone, or it would wait for ever.
  const fits = (size: number): boolean =>
    messages < limit.messages && (bytes + size <= limit.bytes || messages === 0);

  const occupy = (size: number): (() => void) => {
    messages += 1;
    bytes += size;
    return () => {
      messages -= 1;
      bytes -= size;
      for (const next of waiting) {
        if (!fits(next.size)) return;
        next.admit();
      }
    };
  };

  return {
    get taken() {
      return messages;
    },
    take(size, signal) {
      if (signal?.aborted) return Promise.reject(signal?.reason as Error);
      if (waiting.size === 0 && fits(size)) return Promise.resolve(occupy(size));
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          waiting.delete(entry);
          signal?.removeEventListener('abort', refuse);
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
        signal?.addEventListener('abort', refuse, { once: true });
      });
    },
  };
}
