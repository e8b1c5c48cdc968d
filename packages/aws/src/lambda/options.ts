import type { NestFactory } from '@nestjs/core';
import { checkOptions, milliseconds, timeoutSchema, type Duration } from '@nest-messaging/core/contract';
import * as v from 'valibot';

/** What Nest takes, but for what it does when the application cannot boot. */
type NestOptions = Omit<
  NonNullable<Parameters<(typeof NestFactory)['createApplicationContext']>[1]>,
  'abortOnError'
>;

/** Options of `createLambdaHandler()`. */
export interface LambdaHandlerOptions {
  /**
   * How long before the function's time is up no handler begins any more; half of it later what still runs is reported
   * as failed, so that Lambda hears of it.
   * @default '1s'
   */
  readonly reserve?: Duration;
  /**
   * The service's queue of delayed events is one of the function's event sources, or a process of the service that is
   * no function passes them on. Otherwise a publish with a delay is refused: nobody would send it when it is due, since
   * a function does not run between its invocations.
   * @default false
   */
  readonly delays?: boolean;
  /** Passed to `NestFactory.createApplicationContext` as it is, such as `logger`. @default {} */
  readonly nest?: NestOptions;
}

export interface ResolvedLambdaOptions {
  /** Milliseconds. */
  readonly reserve: number;
  readonly delays: boolean;
  readonly nest: NestOptions;
}

const defaults = { reserve: '1s', delays: false, nest: {} } as const;

const optionsSchema = v.strictObject({
  reserve: v.optional(timeoutSchema),
  delays: v.optional(v.boolean()),
  nest: v.optional(v.custom<object>((value) => typeof value === 'object' && value !== null, 'an object')),
}) as v.GenericSchema<LambdaHandlerOptions>;

/** @throws {ConfigurationError} naming the option, what was found and what is valid */
export function resolveLambdaOptions(options: LambdaHandlerOptions): ResolvedLambdaOptions {
  const given = checkOptions(optionsSchema, options, 'createLambdaHandler options');
  return {
    reserve: milliseconds(given.reserve ?? defaults.reserve),
    delays: given.delays ?? defaults.delays,
    nest: given.nest ?? defaults.nest,
  };
}
