import type { INestApplication, INestApplicationContext } from '@nestjs/common';
import { fromOpenApi, type JsonSchema } from './schemas.js';

type Swagger = typeof import('@nestjs/swagger');

type Schemas = Readonly<Record<string, JsonSchema>>;

/** Undefined where the application has none. */
async function swagger(): Promise<Swagger | undefined> {
  try {
    return await import('@nestjs/swagger');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** What a document of OpenAPI would say of a class. */
export interface ClassSchemas {
  /** Its name among the schemas; undefined where nothing is known of it. */
  readonly nameOf: (type: Function) => string | undefined;
  /** All that these refer to, by name. */
  readonly schemas: Schemas;
}

const NOTHING: ClassSchemas = { nameOf: () => undefined, schemas: {} };

const isHttp = (app: INestApplicationContext): app is INestApplication => 'getHttpAdapter' in app;

/** In no application: a document that includes it alone has none of the application's routes. */
class NoModule {}

const PLACE = '#/components/schemas/';

/** Names that a schema refers to. */
function referredBy(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(referredBy);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === '$ref' && typeof inner === 'string'
      ? [inner.slice(inner.lastIndexOf('/') + 1)]
      : referredBy(inner),
  );
}

/** A schema and all that it refers to. */
function reachable(all: Schemas, root: string): Schemas {
  const wanted = new Set<string>();
  const take = (name: string): void => {
    if (wanted.has(name) || !(name in all)) return;
    wanted.add(name);
    referredBy(all[name]).forEach(take);
  };
  take(root);
  return Object.fromEntries([...wanted].map((name) => [name, all[name]!]));
}

/** References lead to what they mean, by the name that it has in the document. */
function renamed(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((one) => renamed(one, names));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const name = key === '$ref' && typeof inner === 'string' && names.get(inner.replace(PLACE, ''));
      return [key, name ? `${PLACE}${name}` : renamed(inner, names)];
    }),
  );
}

/**
 * Schemas of payload classes, of what `@nestjs/swagger` knows of them, if the application has it. Each class is looked at
 * by itself, since it takes classes of one name for one; here the second has a name of its own.
 * @param taken names that are another's
 */
export async function classSchemas(
  app: INestApplicationContext,
  types: readonly Function[],
  taken: ReadonlySet<string>,
): Promise<ClassSchemas> {
  const found = types.length > 0 && isHttp(app) ? await swagger() : undefined;
  if (!found) return NOTHING;

  const schemasOf = (type: Function): Schemas => {
    const { components } = found.SwaggerModule.createDocument(
      app as INestApplication,
      new found.DocumentBuilder().build(),
      { include: [NoModule], extraModels: [type] },
    );
    return (components?.schemas ?? {}) as Schemas;
  };

  /** What each name stands for, with all that it refers to. */
  const meant = new Map<string, string>();
  const schemas = new Map<string, JsonSchema>();
  const names = new Map<Function, string>();

  /** The name of it in the document: its own, unless that is another's. */
  const called = (name: string, meaning: string): string => {
    let free = name;
    for (let n = 2; taken.has(free) || (meant.get(free) ?? meaning) !== meaning; n++) free = `${name}-${n}`;
    meant.set(free, meaning);
    return free;
  };

  for (const type of new Set(types)) {
    const all = schemasOf(type);
    const root = found.getSchemaPath(type).slice(PLACE.length);
    if (Object.keys((all[root]?.['properties'] as object | undefined) ?? {}).length === 0) continue;
    const own = reachable(all, root);
    const given = new Map(
      Object.keys(own).map((name) => [name, called(name, JSON.stringify(reachable(own, name)))]),
    );
    for (const [name, schema] of Object.entries(own))
      schemas.set(given.get(name)!, fromOpenApi(renamed(schema, given)) as JsonSchema);
    names.set(type, given.get(root)!);
  }
  return { nameOf: (type) => names.get(type), schemas: Object.fromEntries(schemas) };
}
