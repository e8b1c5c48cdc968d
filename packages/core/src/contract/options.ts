import * as v from 'valibot';
import { isDuration, milliseconds, type Duration } from './duration.js';
import { ConfigurationError } from './errors.js';

/** Schema of a duration option. */
export const durationSchema = v.custom<Duration>(
  isDuration,
  "a duration (milliseconds or text such as '500ms', '30s', '5m', '2h', '7d')",
);

/** Schema of a time limit: a duration longer than nothing. */
export const timeoutSchema = v.pipe(
  durationSchema,
  v.check((value) => milliseconds(value) > 0, 'a duration longer than 0'),
);

/** Schema of a count option: a whole number, at least 1. */
export const countSchema = v.pipe(v.number(), v.integer('a whole number'), v.minValue(1, 'at least 1'));

/** Options that hold a secret, or may. */
const SECRET = /url|password|passphrase|secret|token/i;

/** Values that say little of themselves are shown; whatever may hold a secret is only named by its kind. */
function show(value: unknown, option: string): string {
  if (value === null || value === undefined || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return SECRET.test(option) ? 'a number' : String(value);
  if (typeof value === 'string')
    return SECRET.test(option) || /:\/\/|@/.test(value) || value.length > 40 ? 'a text' : `'${value}'`;
  if (typeof value === 'function') return 'a function';
  return Array.isArray(value) ? 'an array' : 'an object';
}

function keysAt(schema: unknown, path: readonly PropertyKey[]): string[] {
  let at = schema as
    | { entries?: Record<string, unknown>; wrapped?: unknown; pipe?: unknown[]; options?: unknown[] }
    | undefined;
  const unwrap = (): void => {
    while (at && !at.entries) {
      const inner: unknown = at.wrapped ?? at.pipe?.[0] ?? at.options?.find((o) => (o as typeof at)?.entries);
      if (inner === at || inner === undefined) return;
      at = inner as typeof at;
    }
  };
  unwrap();
  for (const key of path) {
    at = at?.entries?.[key as string] as typeof at;
    unwrap();
  }
  return Object.keys(at?.entries ?? {});
}

/**
 * Checks options once, at the edge, and answers them unchanged.
 * @throws {ConfigurationError} naming the path, the value found and what is valid
 */
export function checkOptions<T>(schema: v.GenericSchema<T>, options: unknown, path: string): T {
  const result = v.safeParse(schema, options, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const keys = (issue.path ?? []).map((item) => item.key as PropertyKey);
  const where = [path, ...keys.map(String)].join('.');
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    const valid = keysAt(schema, keys.slice(0, -1));
    throw new ConfigurationError(`unknown option ${where}: valid are ${valid.join(', ')}`);
  }
  const expected = issue.kind === 'schema' && issue.type !== 'custom' ? issue.expected : issue.message;
  throw new ConfigurationError(`${where} is ${show(issue.input, where)}: expected ${expected}`);
}
