/** Lets in so many at a time, the others in the order in which they came. */
export interface Gate {
  /** Answers how to leave; undefined if it closed meanwhile. */
  enter(): Promise<(() => void) | undefined>;
  /** Nobody enters any more. */
  close(): void;
}

export function createGate(size: number): Gate {
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
      return new Promise((resolve) => {
        if (closed) return resolve(undefined);
        waiting.push(resolve);
        next();
      });
    },
    close() {
      closed = true;
      for (const resolve of waiting.splice(0)) resolve(undefined);
    },
  };
}
