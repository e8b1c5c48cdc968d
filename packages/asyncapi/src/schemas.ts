import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** AsyncAPI's own schemas are a superset of this. */
const TARGET = 'draft-07';

/**
 * References of a schema that stands alone lead from its own root; in a document, from the document's.
 * @param place of the schema in the document, such as `#/components/schemas/order.placed`
 */
function relocated(value: unknown, place: string): unknown {
  if (Array.isArray(value)) return value.map((one) => relocated(one, place));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) =>
      key === '$ref' && typeof inner === 'string' && inner.startsWith('#')
        ? [key, `${place}${inner.slice(1)}`]
        : [key, relocated(inner, place)],
    ),
  );
}

function hasJsonSchema(schema: StandardSchemaV1): schema is StandardSchemaV1 & StandardJSONSchemaV1 {
  return 'jsonSchema' in schema['~standard'];
}

/**
 * What is on the wire: the schema's input, since a message carries the payload as it was given. Undefined where the
 * validator does not write JSON Schema, or not this one.
 * @see https://standardschema.dev/json-schema
 */
export function wireSchema(schema: StandardSchemaV1, place: string): JsonSchema | undefined {
  if (!hasJsonSchema(schema)) return undefined;
  let made: Record<string, unknown>;
  try {
    made = schema['~standard'].jsonSchema.input({ target: TARGET });
  } catch {
    // Not every type is one of JSON, such as a transformation's input in some validators.
    return undefined;
  }
  const { $schema: _, ...rest } = made;
  return relocated(rest, place) as JsonSchema;
}

/** OpenAPI 3.0 says `nullable` where JSON Schema has a type. */
export function fromOpenApi(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromOpenApi);
  if (typeof value !== 'object' || value === null) return value;
  const { nullable, ...rest } = Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, fromOpenApi(inner)]),
  );
  if (nullable !== true) return rest;
  return typeof rest['type'] === 'string'
    ? { ...rest, type: [rest['type'], 'null'] }
    : { oneOf: [rest, { type: 'null' }] };
}
