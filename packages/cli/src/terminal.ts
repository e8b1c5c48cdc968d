import { Readable } from 'node:stream';

/** Where a command writes to and reads from, from where its paths are, and what ends it early. */
export interface Terminal {
  /** What was asked for. */
  readonly out: (text: string) => void;
  /** What is to be said beside it. */
  readonly error: (text: string) => void;
  readonly directory: string;
  /**
   * As `out`, of what is large: no faster than it is read. Rejects with an `AbortError` once `signal` aborts.
   * @default by `out`
   */
  readonly write?: (pieces: AsyncIterable<string>, signal: AbortSignal) => Promise<void>;
  /** Whether somebody sees at once what is said, and wants to know how far it is. @default false */
  readonly watched?: boolean;
  /** What is piped in. @default nothing */
  readonly input?: () => Readable;
  /**
   * For commands that finish what they have begun: it aborts with an `InterruptedError` when they are to end. Those that
   * do not ask are ended at once.
   * @default nobody ends them
   */
  readonly interruption?: () => AbortSignal;
}

export type FullTerminal = Required<Terminal>;

export function fullTerminal(given: Terminal): FullTerminal {
  return {
    async write(pieces) {
      for await (const piece of pieces) given.out(piece);
    },
    watched: false,
    input: () => Readable.from([]),
    interruption: () => new AbortController().signal,
    ...given,
  };
}

export function writeJson({ out }: Pick<Terminal, 'out'>, value: unknown): void {
  out(`${JSON.stringify(value, null, 2)}\n`);
}
