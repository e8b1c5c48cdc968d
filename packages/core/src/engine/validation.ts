import type { StandardSchemaV1 } from '@standard-schema/spec';
import { InvalidPayloadError } from '../contract/index.js';

function pathOf(issue: StandardSchemaV1.Issue): string {
  return (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
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
  const where = paths.length > 0 ? ` at '${paths.join("', '")}'` : '';
  throw new InvalidPayloadError(`the payload does not fit the schema of '${topic}'${where}`, issues);
}
