import type { StandardSchemaV1 } from '@standard-schema/spec';
import { InvalidPayloadError } from '../contract/index.js';

/** An identifier, as fields are named. */
const FIELD = /^[A-Za-z_$][\w$]{0,39}$/;
/** Ids and tokens look like identifiers, too, and have more of them. */
const MOST_DIGITS = 4;

/** Paths that a message to people names. */
const MOST_PATHS = 5;

const isField = (key: string): boolean => FIELD.test(key) && (key.match(/\d/g)?.length ?? 0) <= MOST_DIGITS;

/** Keys of records come from the payload, as values do, and no validator says which they are. */
function shown(part: PropertyKey | StandardSchemaV1.PathSegment): string {
  const key = typeof part === 'object' ? part.key : part;
  if (typeof key === 'number') return String(key);
  return typeof key === 'string' && isField(key) ? key : '…';
}

const pathOf = ({ path = [] }: StandardSchemaV1.Issue): string => path.map(shown).join('.');

function where(paths: readonly string[]): string {
  if (paths.length === 0) return '';
  const named = paths.slice(0, MOST_PATHS).map((path) => `'${path}'`);
  const more = paths.length - named.length;
  return ` at ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/**
 * Answers the schema's output.
 * @throws {InvalidPayloadError} naming the paths alone: validators quote values in their texts
 */
export async function validate(schema: StandardSchemaV1, payload: unknown, topic: string): Promise<unknown> {
  const result = await schema['~standard'].validate(payload);
  if (!result.issues) return result.value;
  const issues = result.issues.map((issue) => ({ message: issue.message, path: pathOf(issue) }));
  const paths = [...new Set(issues.map(({ path }) => path))].filter((path) => path !== '');
  throw new InvalidPayloadError(`the payload does not fit the schema of '${topic}'${where(paths)}`, issues);
}
