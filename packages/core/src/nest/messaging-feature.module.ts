import { Module as NestModule, type DynamicModule } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { Module } from '@nestjs/core/injector/module.js';
import { checkName, checkOptions, ConfigurationError, RegistrationError } from '../contract/index.js';
import * as v from 'valibot';
import { publishedEntries, type Published } from './published.js';
import { ENGINES } from './tokens.js';

/** What holds for the Nest module that imports it. */
export interface MessagingFeatureOptions extends Published {
  /**
   * Default group of the module's handlers, so that it can become a service of its own without renaming a queue.
   * @default the service's name
   */
  readonly group?: string;
  /** Connection of `publishes` and `enqueues`. @default the module's own broker */
  readonly connection?: string;
}

const FEATURE = Symbol('nest-messaging:feature');
const featureSchema: v.GenericSchema<MessagingFeatureOptions> = v.strictObject({
  group: v.optional(v.string()),
  ...publishedEntries,
  connection: v.optional(v.string()),
});

/** @internal Made by `MessagingModule.forFeature`. */
@NestModule({})
export class MessagingFeatureModule {
  constructor(modules: ModulesContainer) {
    if (![...modules.values()].some(({ providers }) => providers.has(ENGINES)))
      throw new ConfigurationError(
        'MessagingModule.forFeature stands without MessagingModule.forRoot, and no handler would run: import forRoot in the root module',
      );
  }

  static for(options: MessagingFeatureOptions): DynamicModule {
    const checked = checkOptions(featureSchema, options, 'MessagingModule.forFeature options');
    if (checked.group !== undefined) checkName('group', checked.group);
    return { module: MessagingFeatureModule, providers: [{ provide: FEATURE, useValue: checked }] };
  }
}

function featuresAmong(modules: Iterable<Module>): MessagingFeatureOptions[] {
  return [...modules]
    .filter(({ metatype }) => metatype === MessagingFeatureModule)
    .map((feature) => feature.providers.get(FEATURE)!.instance as MessagingFeatureOptions);
}

/** What each Nest module says of itself. */
export function featuresOf(modules: ModulesContainer): readonly MessagingFeatureOptions[] {
  return featuresAmong(modules.values());
}

/** The group that a Nest module gives its handlers, if it says one. */
export function groupOf(module: Module): string | undefined {
  const groups = featuresAmong(module.imports).flatMap(({ group }) => group ?? []);
  if (new Set(groups).size > 1)
    throw new RegistrationError(
      `module ${module.name} has two default groups, '${groups.join("' and '")}': import MessagingModule.forFeature once`,
    );
  return groups[0];
}
