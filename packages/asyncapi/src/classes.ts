import type { INestApplication, INestApplicationContext } from '@nestjs/common';
import { fromOpenApi, type JsonSchema } from './schemas.js';

type Swagger = typeof import('@nestjs/swagger');

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
  readonly schemas: Readonly<Record<string, JsonSchema>>;
}

const NOTHING: ClassSchemas = { nameOf: () => undefined, schemas: {} };

const isHttp = (app: INestApplicationContext): app is INestApplication => 'getHttpAdapter' in app;

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

/** Schemas of payload classes, of what `@nestjs/swagger` knows of them, if the application has it. */
export async function classSchemas(
  app: INestApplicationContext,
  types: readonly Function[],
): Promise<ClassSchemas> {
  const found = types.length > 0 && isHttp(app) ? await swagger() : undefined;
  if (!found) return NOTHING;
  const { components } = found.SwaggerModule.createDocument(
    app as INestApplication,
    new found.DocumentBuilder().build(),
    { extraModels: [...types] },
  );
  const all = (components?.schemas ?? {}) as Record<string, JsonSchema>;
  const known = (name: string): boolean =>
    name in all && Object.keys((all[name]!['properties'] as object | undefined) ?? {}).length > 0;
  const wanted = new Set<string>();
  const take = (name: string): void => {
    if (wanted.has(name) || !(name in all)) return;
    wanted.add(name);
    referredBy(all[name]).forEach(take);
  };
  types
    .map(({ name }) => name)
    .filter(known)
    .forEach(take);
  return {
    nameOf: ({ name }) => (wanted.has(name) && known(name) ? name : undefined),
    schemas: Object.fromEntries([...wanted].map((name) => [name, fromOpenApi(all[name]) as JsonSchema])),
  };
}
