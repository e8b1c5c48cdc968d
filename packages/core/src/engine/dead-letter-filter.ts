import * as v from 'valibot';
import { checkOptions, InvalidMessageError, type DeadLetterHead } from '../contract/index.js';

/** Which dead letters: those that fit all that is given. */
export interface DeadLetterFilter {
  /** Message ids. */
  readonly ids?: readonly string[];
  /** The class name of the last error, or its `code`. */
  readonly error?: string;
  /** Set aside then or later. */
  readonly since?: Date;
  /** Set aside before. */
  readonly until?: Date;
}

/** By their message ids, all of them, or by a filter that says at least one thing. */
export type WhichDeadLetters = readonly string[] | 'all' | DeadLetterFilter;

const dateSchema = v.custom<Date>(
  (value) => value instanceof Date && !Number.isNaN(value.getTime()),
  'a date',
);

/** The entries of a filter, for options that have more. */
export const filterEntries = {
  ids: v.optional(v.pipe(v.array(v.string()), v.readonly())),
  error: v.optional(v.string()),
  since: v.optional(dateSchema),
  until: v.optional(dateSchema),
};

const filterSchema: v.GenericSchema<DeadLetterFilter> = v.strictObject(filterEntries);

/** Whether a letter is meant; undefined: all are. */
export type Matches = ((letter: DeadLetterHead) => boolean) | undefined;

export function matching({ ids, error, since, until }: DeadLetterFilter): Matches {
  if (ids === undefined && error === undefined && since === undefined && until === undefined)
    return undefined;
  const known = ids && new Set(ids);
  const from = since?.getTime() ?? Number.NEGATIVE_INFINITY;
  const to = until?.getTime() ?? Number.POSITIVE_INFINITY;
  return ({ message, failure }) =>
    (known === undefined || known.has(message.id)) &&
    (error === undefined || failure.name === error || failure.code === error) &&
    failure.at >= from &&
    failure.at < to;
}

/**
 * @throws {InvalidMessageError} if it is unclear which are meant: nothing is taken for all
 * @throws {ConfigurationError} if a filter has an unknown key or an unusable value
 */
export function chosen(which: WhichDeadLetters): Matches {
  if (which === 'all') return undefined;
  if (typeof which === 'object' && which !== null) {
    const filter = Array.isArray(which) ? { ids: which as readonly string[] } : which;
    const matches = matching(checkOptions(filterSchema, filter, 'filter of dead letters'));
    if (matches) return matches;
  }
  throw new InvalidMessageError(
    "which dead letters is unclear: give an array of message ids, a filter with at least one of ids, error, since and until, or 'all'",
  );
}
