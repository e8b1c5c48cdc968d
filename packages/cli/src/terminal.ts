/** Where a command writes to, and from where its paths are. */
export interface Terminal {
  /** What was asked for. */
  readonly out: (text: string) => void;
  /** What is to be said beside it. */
  readonly error: (text: string) => void;
  readonly directory: string;
}

export function writeJson({ out }: Terminal, value: unknown): void {
  out(`${JSON.stringify(value, null, 2)}\n`);
}
