import {
  ContextIdFactory,
  ExternalContextCreator,
  ModuleRef,
  type ApplicationConfig,
  type ContextId,
} from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { STATIC_CONTEXT } from '@nestjs/core/injector/constants.js';
import type { Injector } from '@nestjs/core/injector/injector.js';
import type { InstanceWrapper } from '@nestjs/core/injector/instance-wrapper.js';
import type { Module } from '@nestjs/core/injector/module.js';
import { REQUEST_CONTEXT_ID } from '@nestjs/core/router/request/request-constants.js';
import { fromEvent, isObservable, lastValueFrom, takeUntil, type Observable } from 'rxjs';
import { DeadLetter, Discard, RetryLater } from '../contract/index.js';
import type { BatchContext, Invoke, MessageContext } from '../engine/index.js';
import { parameterValues, PARAMETERS, synthesiseParameters } from './parameters.js';

type Context = MessageContext | BatchContext;

/** Where a handler lives. */
export interface HandlerHost {
  readonly module: Module;
  readonly wrapper: InstanceWrapper<object>;
  readonly methodName: string;
}

/** Finds what Nest puts around a method, what stands on its class and in the application included. */
interface ContextCreator<Found> {
  create(
    instance: object,
    method: unknown,
    moduleKey: string,
    contextId?: ContextId,
    inquirerId?: string,
  ): Found;
}

/** What this needs of `ExternalContextCreator` beyond its public types; a test per Nest major guards each. */
interface CreatorInternals {
  readonly guardsContextCreator: ContextCreator<readonly unknown[]> & { readonly config: ApplicationConfig };
  readonly interceptorsContextCreator: ContextCreator<readonly unknown[]>;
  readonly pipesContextCreator: ContextCreator<readonly unknown[]>;
  readonly filtersContextCreator: ContextCreator<{
    invokeCustomFilters(error: unknown, host: ExecutionContextHost): unknown;
  }>;
}

/**
 * The last value of an Observable. One that completes without any has succeeded (`lastValueFrom` alone would reject);
 * one whose handler's time is up is unsubscribed, or it would go on.
 */
const lastOf = (result: Observable<unknown>, { signal }: Context): Promise<unknown> =>
  lastValueFrom(result.pipe(takeUntil(fromEvent(signal, 'abort'))), { defaultValue: undefined });

/**
 * Nest looks for the host among providers only, so that class-level guards of a controller would be skipped
 * silently: this one is told the module.
 */
function creatorFor(creator: ExternalContextCreator, moduleKey: string): ExternalContextCreator {
  return Object.assign(Object.create(creator) as ExternalContextCreator, {
    getContextModuleKey: () => moduleKey,
    getHostModuleKey: () => moduleKey,
    // Here the context, and with it the signal, is not known.
    transformToResult: (result: unknown) => result,
  });
}

/** The application's own guards, interceptors, pipes and filters that are made for each request, or for each of their users. */
const scopedOf = ({ config }: CreatorInternals['guardsContextCreator']): readonly InstanceWrapper[] => [
  ...config.getGlobalRequestGuards(),
  ...config.getGlobalRequestInterceptors(),
  ...config.getGlobalRequestPipes(),
  ...config.getGlobalRequestFilters(),
];

const OUTCOMES = [RetryLater, DeadLetter, Discard];

/**
 * Calls the handler within Nest's guards, interceptors, pipes and filters, with context type `'rpc'`, and rejects
 * with the original error: filters are run here, since Nest's own way resolves with the Observable that an RPC filter
 * throws, which would acknowledge a failure.
 */
export function createInvoker(
  { module, wrapper, methodName }: HandlerHost,
  nest: ExternalContextCreator,
): Invoke {
  const creator = creatorFor(nest, module.token);
  const { guardsContextCreator, interceptorsContextCreator, pipesContextCreator, filtersContextCreator } =
    nest as unknown as CreatorInternals;
  const moduleRef = module.providers.get(ModuleRef)!.instance as ModuleRef;

  // Nest tells controllers of these, and no providers, around whose methods it would put them without what they inject.
  const scoped = scopedOf(guardsContextCreator);
  for (const enhancer of scoped)
    if (!wrapper.getEnhancersMetadata()?.includes(enhancer)) wrapper.addEnhancerMetadata(enhancer);

  function callOn(instance: object, contextId?: ContextId): Invoke {
    const method = (instance as Record<string, (...args: unknown[]) => unknown>)[methodName]!;
    const decorated = synthesiseParameters(instance.constructor, methodName);
    const around = <Found>(creatorOf: ContextCreator<Found>): Found =>
      creatorOf.create(instance, method, module.token, contextId, wrapper.id);
    const enhanced = [guardsContextCreator, interceptorsContextCreator, pipesContextCreator].some(
      (creatorOf) => around(creatorOf).length > 0,
    );
    const within = creator.create(
      instance,
      method,
      methodName,
      PARAMETERS,
      parameterValues,
      contextId,
      wrapper.id,
      { guards: true, interceptors: true, filters: false },
      'rpc',
    );
    // Whoever has none of what Nest puts around a handler pays for none of it.
    const run: Invoke =
      decorated || enhanced ? within : (payload, context) => method.call(instance, payload, context);
    const filters = around(filtersContextCreator);
    return async (payload, context) => {
      try {
        const result = await run(payload, context);
        return isObservable(result) ? await lastOf(result, context) : result;
      } catch (error) {
        const host = new ExecutionContextHost([payload, context], instance.constructor as never, method);
        host.setType('rpc');
        let handled: unknown;
        try {
          handled = await filters.invokeCustomFilters(error, host);
          if (isObservable(handled)) handled = await lastOf(handled, context);
        } catch (thrown) {
          // A filter made for another transport throws too; what went wrong first says more than that.
          throw OUTCOMES.some((outcome) => thrown instanceof outcome) ? thrown : error;
        }
        // `undefined` and `null`: no filter, or one that only looked on.
        if (handled === undefined || handled === null) throw error;
        return handled;
      }
    };
  }

  if (wrapper.isDependencyTreeStatic()) {
    const transient = scoped.filter((enhancer) => enhancer.isTransient);
    if (transient.length === 0) return callOn(wrapper.instance);
    const { injector } = moduleRef as unknown as { readonly injector: Injector };
    const load = async (): Promise<Invoke> => {
      for (const enhancer of transient)
        await injector.loadInjectable(enhancer, enhancer.host!, STATIC_CONTEXT, wrapper);
      return callOn(wrapper.instance);
    };
    let loaded: Promise<Invoke> | undefined;
    return async (payload, context) => (await (loaded ??= load()))(payload, context);
  }

  return async (payload, context) => {
    // The shape of Nest's own RequestContext of RPC handlers, for providers that inject REQUEST; known by it, as there.
    const request = { pattern: context.topic, data: payload, context };
    const contextId = ContextIdFactory.getByRequest(request);
    Object.defineProperty(request, REQUEST_CONTEXT_ID, { value: contextId });
    // What lives as long as its tenant is made of what the strategy says of that, not of its first message.
    moduleRef.registerRequestByContextId(
      wrapper.isDependencyTreeDurable() ? contextId.payload : Object.assign(request, contextId.payload),
      contextId,
    );
    const instance = await moduleRef.resolve<object>(wrapper.token as string, contextId, { strict: true });
    return callOn(instance, contextId)(payload, context);
  };
}
