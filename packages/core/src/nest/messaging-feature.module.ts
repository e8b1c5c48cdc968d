import { Module as NestModule, type DynamicModule } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { Module } from '@nestjs/core/injector/module.js';
import { checkName, checkOptions, ConfigurationError, RegistrationError } from '../contract/index.js';
import * as v from 'valibot';
import { ENGINES } from './tokens.js';

/** What holds for the handlers of the Nest module that imports it. */
export interface MessagingFeatureOptions {
  /** Default group of the module's handlers, so that it can become a service of its own without renaming a queue. */
  readonly group: string;
}

const FEATURE = Symbol('nest-messaging:feature');
const featureSchema: v.GenericSchema<MessagingFeatureOptions> = v.strictObject({ group: v.string() });

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
    const { group } = checkOptions(featureSchema, options, 'MessagingModule.forFeature options');
    checkName('group', group);
    return { module: MessagingFeatureModule, providers: [{ provide: FEATURE, useValue: { group } }] };
  }
}

/** The group that a Nest module gives its handlers, if it says one. */
export function groupOf(module: Module): string | undefined {
  const groups = [...module.imports]
    .filter(({ metatype }) => metatype === MessagingFeatureModule)
    .map((feature) => (feature.providers.get(FEATURE)!.instance as MessagingFeatureOptions).group);
  if (new Set(groups).size > 1)
    throw new RegistrationError(
      `module ${module.name} has two default groups, '${groups.join("' and '")}': import MessagingModule.forFeature once`,
    );
  return groups[0];
}
