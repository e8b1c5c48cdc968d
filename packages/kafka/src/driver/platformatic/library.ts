import type { GenericError } from '@platformatic/kafka';

/** What `import('@platformatic/kafka')` brings. */
export type Library = typeof import('@platformatic/kafka');

/** Its errors carry what they are about as properties of their own. */
export type LibraryError = Partial<GenericError> & {
  readonly message: string;
  readonly errors?: readonly unknown[];
  /** Of the broker. */
  readonly apiCode?: number;
  readonly serverErrorMessage?: string | null;
  /** What the broker answered in full, whatever was wrong in a part of it. */
  readonly response?: unknown;
};
