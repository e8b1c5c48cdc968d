import * as v from 'valibot';
import { checkOptions, ConfigurationError, countSchema } from '../contract/index.js';

/** Options of `memory()`. */
export interface MemoryOptions {
  /**
   * Most messages held at a time: waiting, delayed, in handlers' hands and dead-lettered, counted once for each
   * subscription. Publishing waits while it is reached.
   * @default 100_000
   */
  readonly maxMessages?: number;
}

export const defaults = { maxMessages: 100_000 } satisfies Required<MemoryOptions>;

const schema = v.strictObject({ maxMessages: v.optional(countSchema) });

/** @throws {ConfigurationError} for an unknown option or an unusable value */
export function resolveOptions(options: MemoryOptions): Required<MemoryOptions> {
  const { maxMessages = defaults.maxMessages } = checkOptions(schema, options, 'memory');
  return { maxMessages };
}

/** Memory has no address, so its URL says nothing but its scheme. */
export function checkUrl(url: string): void {
  if (url !== 'memory:' && url !== 'memory://')
    throw new ConfigurationError(
      `a URL of scheme 'memory' is just 'memory:': call memory({ … }) for options, and share its value to share the broker`,
    );
}
