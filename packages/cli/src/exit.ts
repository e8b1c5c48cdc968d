/** What the command line ends with; scripts may rely on it. */
export const EXIT = {
  /** Done, and nothing is wrong. */
  fine: 0,
  /** Done, and something is wrong with the application or its broker; or it could not be done. */
  trouble: 1,
  /** The command was not understood. Nothing was done. */
  usage: 2,
  /** It was told to end (SIGINT, SIGTERM): what had begun is finished, the rest is as it was. As shells have it. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The command cannot be understood; its message says what was expected. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The command was told to end before it was done. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';

  constructor() {
    super('interrupted');
  }
}
