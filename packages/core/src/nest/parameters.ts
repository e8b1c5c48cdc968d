import type { BatchContext, MessageContext } from '../engine/index.js';

/** Where `@Payload()`, `@Ctx()` of `@nestjs/microservices` and custom parameter decorators write. */
const NEST_PARAMETERS = '__routeArguments__';
/** Types of RPC parameters in `@nestjs/microservices` (`RpcParamtype`). */
const PAYLOAD = 3;
const CONTEXT = 6;

/** Our own copy, so that no other reader of the method sees parameters that its author did not decorate. */
export const PARAMETERS = 'nest-messaging:parameters';

interface Parameter {
  readonly index: number;
  readonly data?: unknown;
  readonly pipes: readonly unknown[];
}

const decoratedOf = (type: Function, methodName: string): Record<string, Parameter> =>
  (Reflect.getMetadata(NEST_PARAMETERS, type, methodName) ?? {}) as Record<string, Parameter>;

/** Which parameter is the whole payload; undefined where none is. */
export function payloadIndex(type: Function, methodName: string): number | undefined {
  const decorated = Object.entries(decoratedOf(type, methodName));
  const asked = decorated.find(
    ([key, { data }]) => key.startsWith(`${PAYLOAD}:`) && typeof data !== 'string',
  );
  if (asked) return asked[1].index;
  return decorated.some(([, { index }]) => index === 0) ? undefined : 0;
}

/**
 * Nest fills, and pipes, decorated parameters only: an undecorated first is the payload, an undecorated second the context.
 * Answers whether there is a decorated one.
 */
export function synthesiseParameters(type: Function, methodName: string): boolean {
  const decorated = decoratedOf(type, methodName);
  const taken = new Set(Object.values(decorated).map(({ index }) => index));
  const parameters = { ...decorated };
  if (!taken.has(0)) parameters[`${PAYLOAD}:0`] = { index: 0, pipes: [] };
  if (!taken.has(1)) parameters[`${CONTEXT}:1`] = { index: 1, pipes: [] };
  Reflect.defineMetadata(PARAMETERS, parameters, type, methodName);
  return taken.size > 0;
}

/** Nest's `ParamsFactory`: the value of a parameter by its type. */
export const parameterValues = {
  exchangeKeyForValue(type: number, data: unknown, args: unknown): unknown {
    const [payload, context] = args as [unknown, MessageContext | BatchContext];
    if (type === CONTEXT) return context;
    return typeof data === 'string' ? (payload as Record<string, unknown> | undefined)?.[data] : payload;
  },
};
