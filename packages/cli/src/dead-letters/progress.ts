import { writeJson, type FullTerminal } from '../terminal.js';

/** Milliseconds between two words on how far it is: where somebody watches, and where a log keeps them. */
const EVERY = { watched: 200, kept: 10_000 };

export interface Progress {
  /** Told after each; says so from time to time. */
  readonly show: (count: number) => void;
  /** Before anything else is said. */
  readonly clear: () => void;
}

/** @param did such as `redriven` */
export function createProgress({ watched, error }: FullTerminal, did: string): Progress {
  const every = watched ? EVERY.watched : EVERY.kept;
  let told = Date.now();
  let shown = false;
  const clear = (): void => {
    // To the beginning of the line, and nothing behind it.
    if (shown && watched) error('\r\u001b[K');
    shown = false;
  };
  return {
    show(count) {
      const now = Date.now();
      if (now - told < every) return;
      told = now;
      clear();
      error(`${count} ${did}${watched ? ' …' : ' so far\n'}`);
      shown = true;
    },
    clear,
  };
}

/** Does something to one after the other, and says how far it is; where it ends early, how far it came. */
export async function counted<T>(
  terminal: FullTerminal,
  did: string,
  json: boolean,
  act: (onProgress: (count: number) => void) => Promise<T>,
): Promise<T> {
  const progress = createProgress(terminal, did);
  let count = 0;
  try {
    return await act((done) => progress.show((count = done)));
  } catch (error) {
    progress.clear();
    if (json) writeJson(terminal, { count, complete: false });
    terminal.error(`${count} ${did}; the rest is as it was\n`);
    throw error;
  } finally {
    progress.clear();
  }
}
