import { Module, type CanActivate, type DynamicModule, type ModuleMetadata, type Type } from '@nestjs/common';
import * as v from 'valibot';
import { checkOptions } from '../contract/index.js';
import { controllerAt } from './control-controller.js';

export interface MessagingControlOptions {
  /** Who may: every request passes all of them. Classes are made by Nest, with what `imports` and global modules export. */
  readonly guards: readonly (Type<CanActivate> | CanActivate)[];
  /** Begins the path of each route, behind the application's own prefix. @default 'messaging' */
  readonly path?: string;
  /** Modules whose exports the guards need. @default none */
  readonly imports?: ModuleMetadata['imports'];
}

const guardSchema = v.custom<MessagingControlOptions['guards'][number]>(
  (guard) => typeof guard === 'function' || typeof (guard as CanActivate | null)?.canActivate === 'function',
  'a guard: a class, or an object with canActivate',
);

const MISSING =
  'at least one guard: whoever reaches these routes can stop the application from handling anything';

const controlSchema: v.GenericSchema<MessagingControlOptions> = v.strictObject({
  guards: v.pipe(
    v.custom<MessagingControlOptions['guards'][number][]>(Array.isArray, MISSING),
    v.array(guardSchema),
    v.minLength(1, MISSING),
  ),
  path: v.optional(v.string()),
  imports: v.optional(v.custom<NonNullable<ModuleMetadata['imports']>>(Array.isArray, 'an array of modules')),
});

/**
 * HTTP routes for the subscriptions of the process that answers, behind guards: what `Subscriptions` does, for whoever
 * operates the application.
 *
 * | route | body | does |
 * |---|---|---|
 * | `GET messaging/subscriptions` | | lists them |
 * | `POST messaging/subscriptions/pause` | `{ topic, group?, connection? }` or `{ queue, connection? }` | pauses it; answers when what runs has ended |
 * | `POST messaging/subscriptions/resume` | the same | resumes it |
 * | `POST messaging/subscriptions/concurrency` | the same, and `concurrency` | handles so many at a time |
 *
 * Each answers with the list as it is then; what is unknown or unusable with 400, before the start and during shutdown
 * with 503.
 */
@Module({})
export class MessagingControlModule {
  /** @throws {ConfigurationError} without a guard, and for an option that is unknown or unusable */
  static forRoot(options: MessagingControlOptions): DynamicModule {
    // Left out is the same as none, and has the same answer.
    const {
      guards,
      path = 'messaging',
      imports,
    } = checkOptions(
      controlSchema,
      { guards: [], ...(options as Partial<MessagingControlOptions>) },
      'MessagingControlModule options',
    );
    return { module: MessagingControlModule, imports, controllers: [controllerAt(path, guards)] };
  }
}
