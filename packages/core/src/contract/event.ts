import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigurationError } from './errors.js';
import { checkName } from './names.js';

/**
 * What publishers and handlers of one topic or queue agree on. Made by {@link defineEvent}.
 *
 * @typeParam In what publishers give: the schema's input
 * @typeParam Out what handlers receive: the schema's output
 */
export interface EventContract<In = unknown, Out = In> {
  readonly topic: string;
  readonly schema?: StandardSchemaV1<In, Out>;
  readonly key?: (payload: Out) => string;
  readonly ordered: boolean;
  readonly version?: string;
}

/** What handlers of a contract receive. */
export type PayloadOf<Contract extends EventContract<any, any>> =
  Contract extends EventContract<any, infer Out> ? Out : never;

export interface EventOptions<Out> {
  /** Messages of one key belong together. Its argument is the validated payload. */
  readonly key?: (payload: Out) => string;
  /**
   * Handlers get messages of one key in the order of their publishing. Needs `key`.
   * @default false
   */
  readonly ordered?: boolean;
  /** Version of the payload's shape, carried with each message. */
  readonly version?: string;
}

export interface EventOptionsWithSchema<Schema extends StandardSchemaV1> extends EventOptions<
  StandardSchemaV1.InferOutput<Schema>
> {
  /** Any validator of Standard Schema (zod, valibot, arktype …); checked on publish and before the handler. */
  readonly schema: Schema;
}

/**
 * Declares an event (or, for `enqueue` and `@OnQueue`, a task): its topic, and what its payload is.
 * The wire carries the schema's input as it was given; handlers receive the schema's output.
 *
 * @throws {ConfigurationError} if the topic cannot be used on every broker, or `ordered` stands without `key`
 */
export function defineEvent<Schema extends StandardSchemaV1>(
  topic: string,
  options: EventOptionsWithSchema<Schema>,
): EventContract<StandardSchemaV1.InferInput<Schema>, StandardSchemaV1.InferOutput<Schema>>;
export function defineEvent<Payload = unknown>(
  topic: string,
  options?: EventOptions<Payload>,
): EventContract<Payload, Payload>;
export function defineEvent(
  topic: string,
  options: EventOptions<any> & { readonly schema?: StandardSchemaV1 } = {},
): EventContract<any, any> {
  checkName('topic', topic);
  const { schema, key, ordered = false, version, ...unknown } = options;
  const [surplus] = Object.keys(unknown);
  if (surplus !== undefined)
    throw new ConfigurationError(
      `unknown option ${surplus} of event '${topic}': valid are schema, key, ordered, version`,
    );
  if (ordered && !key)
    throw new ConfigurationError(
      `event '${topic}' is ordered and has no key: say which messages belong together, such as key: (order) => order.id`,
    );
  return Object.freeze({ topic, schema, key, ordered, version });
}

export function isContract(value: unknown): value is EventContract<any, any> {
  return typeof value === 'object' && value !== null && 'topic' in value && 'ordered' in value;
}
