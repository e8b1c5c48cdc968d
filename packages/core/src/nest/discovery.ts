import { Scope } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';
import type { InstanceWrapper } from '@nestjs/core/injector/instance-wrapper.js';
import type { Module } from '@nestjs/core/injector/module.js';
import type { ModulesContainer } from '@nestjs/core';
import { RegistrationError } from '../contract/index.js';
import { handlersOf, type HandlerMetadata } from './decorators.js';
import { groupOf } from './messaging-feature.module.js';
import type { HandlerHost } from './invoker.js';

/** A decorated method, where it lives, and its module's default group. */
export interface FoundHandler {
  readonly label: string;
  readonly metadata: HandlerMetadata;
  readonly host: HandlerHost;
  readonly defaultGroup?: string;
  /** Why Nest could not call it as its decorators say; then the application does not start. */
  readonly flaw?: RegistrationError;
}

const ENHANCERS = ['__guards__', '__interceptors__', '__pipes__', '__exceptionFilters__'];

/**
 * Nest makes no injectables for instances that it did not make itself, nor, in its older releases, for those of `useClass`:
 * their class-based guards would not run.
 */
function refuseEnhancers({ injectables }: Module, prototype: object, method: object, label: string): void {
  const missing = ENHANCERS.flatMap((key) => [
    ...((Reflect.getMetadata(key, prototype.constructor) as unknown[] | undefined) ?? []),
    ...((Reflect.getMetadata(key, method) as unknown[] | undefined) ?? []),
  ]).filter((enhancer): enhancer is Function => typeof enhancer === 'function' && !injectables.has(enhancer));
  if (missing.length > 0)
    throw new RegistrationError(
      `${label} is decorated with ${missing.map(({ name }) => name).join(', ')}, which Nest would not run: it makes none for what is provided by useValue or useFactory, and older releases none by useClass; provide the class itself, or decorate with an instance`,
    );
}

interface Method {
  readonly module: Module;
  readonly wrapper: InstanceWrapper<object>;
  readonly prototype: object;
  readonly name: string;
  readonly method: object;
  /** Class and method, for messages to people. */
  readonly label: string;
}

/** Every method of every provider and controller, aliases left out: they would count twice. */
function* methodsOf(modules: ModulesContainer): Generator<Method> {
  const scanner = new MetadataScanner();
  for (const module of modules.values())
    for (const wrapper of [...module.providers.values(), ...module.controllers.values()]) {
      const instance: unknown = wrapper.isAlias ? undefined : wrapper.instance;
      if (typeof instance !== 'object' || instance === null) continue;
      const prototype = Object.getPrototypeOf(instance) as object | null;
      if (!prototype || prototype === Object.prototype) continue;
      for (const name of scanner.getAllMethodNames(prototype))
        yield {
          module,
          wrapper: wrapper as InstanceWrapper<object>,
          prototype,
          name,
          method: (prototype as Record<string, object>)[name]!,
          label: `${prototype.constructor.name}.${name}`,
        };
    }
}

/** @throws {RegistrationError} where Nest could not call it as its decorators say */
function hostOf({
  module,
  wrapper,
  prototype,
  name,
  method,
  label,
}: Method): Pick<FoundHandler, 'host' | 'defaultGroup'> {
  if (wrapper.scope === Scope.TRANSIENT)
    throw new RegistrationError(
      `${label} handles messages and its class is transient: there is no one instance to call; make it a singleton or request-scoped`,
    );
  refuseEnhancers(module, prototype, method, label);
  return { host: { module, wrapper, methodName: name }, defaultGroup: groupOf(module) };
}

/** Every decorated method. */
export function findHandlers(modules: ModulesContainer): FoundHandler[] {
  return [...methodsOf(modules)].flatMap((found) => {
    const { label, module, wrapper, name, method } = found;
    const metadatas = handlersOf(method);
    if (metadatas.length === 0) return [];
    try {
      const host = hostOf(found);
      return metadatas.map((metadata) => ({ label, metadata, ...host }));
    } catch (flaw) {
      if (!(flaw instanceof RegistrationError)) throw flaw;
      const host = { module, wrapper, methodName: name };
      return metadatas.map((metadata) => ({ label, metadata, host, flaw }));
    }
  });
}

/** Where `@nestjs/event-emitter` keeps what its own `@OnEvent` says. */
const EVENT_EMITTER_LISTENERS = 'EVENT_LISTENER_METADATA';

/**
 * Methods decorated with the `@OnEvent` of `@nestjs/event-emitter` in an application that does not use that module:
 * they would never be called, and the import is the likely mistake.
 */
export function findMistakenListeners(modules: ModulesContainer): string[] {
  if ([...modules.values()].some(({ metatype }) => metatype?.name === 'EventEmitterModule')) return [];
  return [...methodsOf(modules)]
    .filter(({ method }) => Reflect.hasMetadata(EVENT_EMITTER_LISTENERS, method))
    .map(({ label }) => label);
}
