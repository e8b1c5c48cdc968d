/** Lets in so many at a time, the others in the order in which they came. */
export interface Gate {
  /** Answers how to leave, at once where there is room; undefined if it closed meanwhile. */
  enter(): Promise<(() => void) | undefined> | (() => void);
  /** From now on so many may be inside; whoever is beyond that stays. */
  resize(size: number): void;
  /** Nobody enters any more. */
  close(): void;
}

export function createGate(atFirst: number): Gate {
  let size = atFirst;
  const waiting: ((leave: (() => void) | undefined) => void)[] = [];
  let inside = 0;
  let closed = false;

  const leave = (): void => {
    inside--;
    next();
  };
  const next = (): void => {
    while (inside < size && waiting.length > 0) {
      inside++;
      waiting.shift()!(leave);
    }
  };

  return {
    enter() {
      if (closed) return Promise.resolve(undefined);
      if (inside < size && waiting.length === 0) {
        inside++;
        return leave;
      }
      return new Promise((resolve) => waiting.push(resolve));
    },
    resize(most) {
      size = most;
      next();
    },
    close() {
      closed = true;
      for (const resolve of waiting.splice(0)) resolve(undefined);
    },
  };
}
