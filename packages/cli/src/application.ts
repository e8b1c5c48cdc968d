import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { MessagingExplorer } from '@nest-messaging/core';
import type { INestApplication } from '@nestjs/common';
import type { NestFactory } from '@nestjs/core';
import { UsageError } from './exit.js';

/** Of the module's, whichever copy of it the application has. */
const EXPLORER = Symbol.for('nest-messaging:explorer');

/** A Nest application that was created and never started: none of its hooks has run, and none of its brokers was asked. */
export interface Application {
  readonly app: INestApplication;
  readonly explorer: MessagingExplorer;
}

/** Nest's own way without hooks asks for an HTTP server; none is installed with a worker, and none is wanted here. */
const NO_HTTP = {
  // By it Nest tells a server from options.
  patch: () => undefined,
  getType: () => 'none',
  initHttpServer: () => undefined,
  getHttpServer: () => undefined,
  close: () => undefined,
};

interface Reference {
  readonly file: string;
  readonly name: string | undefined;
}

/** @throws {UsageError} if there is no such file */
function parse(reference: string, directory: string): Reference {
  const at = reference.lastIndexOf('#');
  const [path, name] = at < 0 ? [reference, undefined] : [reference.slice(0, at), reference.slice(at + 1)];
  const file = resolve(directory, path);
  if (!existsSync(file))
    throw new UsageError(
      `--app ${reference}: there is no file ${file}; expected the compiled root module, such as dist/app.module.js#AppModule`,
    );
  return { file, name: name || undefined };
}

const CLASS = /^class\b/;

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Of objects, Nest takes for a module a dynamic one, or the promise of one. */
const isModule = (value: object): boolean => 'module' in value || 'then' in value;

/** What the exports of CommonJS have beside what the file exports: compilers add the one, Node the other. */
const OF_NO_FILE = ['__esModule', 'module.exports'];

/**
 * What the file exports. Of CommonJS, `import` gives all that it exports as `default`, and beside it what Node's lexer has
 * seen; an object that is no module itself is that.
 */
async function exportsOf(file: string): Promise<Readonly<Record<string, unknown>>> {
  const { default: whole, ...seen } = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  const exported: Record<string, unknown> =
    isObject(whole) && !isModule(whole)
      ? { ...whole, ...seen }
      : { ...seen, ...(whole !== undefined && { default: whole }) };
  return Object.fromEntries(Object.entries(exported).filter(([key]) => !OF_NO_FILE.includes(key)));
}

/** The root module: an exported class, or what an exported function makes. @throws {UsageError} if there is none */
async function rootModule({ file, name }: Reference): Promise<unknown> {
  const exported = await exportsOf(file);
  const modules = Object.keys(exported).filter((key) => key.endsWith('Module'));
  const chosen =
    name ??
    ['AppModule', 'default'].find((key) => key in exported) ??
    (modules.length === 1 ? modules[0] : undefined);
  const found = chosen === undefined ? undefined : exported[chosen];
  if (typeof found !== 'function' && !isObject(found))
    throw new UsageError(
      `--app ${file}: ${name === undefined ? 'it is unclear which export is the root module' : `it exports no '${name}'`}; it exports ${Object.keys(exported).join(', ') || 'nothing'}: name one behind '#'`,
    );
  return typeof found === 'function' && !CLASS.test(Function.prototype.toString.call(found))
    ? ((found as () => unknown)() as unknown)
    : found;
}

/** The application's own copy of Nest, whatever stands beside this package. */
async function nestFactoryOf(file: string): Promise<typeof NestFactory> {
  const path = createRequire(file).resolve('@nestjs/core');
  const nest = (await import(pathToFileURL(path).href)) as { NestFactory: typeof NestFactory };
  return nest.NestFactory;
}

/**
 * Makes all providers of the application, and calls none of its hooks.
 *
 * @param reference `dist/app.module.js#AppModule`; its name may be left out where it is clear. A function is called,
 * and makes the module
 * @throws {UsageError} if the reference leads to no module
 */
export async function createApplication(reference: string, directory: string): Promise<Application> {
  const parsed = parse(reference, directory);
  const root = (await rootModule(parsed)) as Parameters<typeof NestFactory.create>[0];
  const factory = await nestFactoryOf(parsed.file);
  const app = await factory.create(root, NO_HTTP as never, { logger: false, abortOnError: false });
  let explorer: MessagingExplorer;
  try {
    explorer = app.get(EXPLORER, { strict: false });
  } catch (cause) {
    throw new UsageError(
      `--app ${reference}: the application has no MessagingModule.forRoot, or an older @nest-messaging/core`,
      { cause },
    );
  }
  return { app, explorer };
}
