import {
  checkName,
  checkTopicOrPattern,
  isContract,
  RegistrationError,
  type Destination,
  type EventContract,
} from '../contract/index.js';
import type { BatchContext, BatchHandlerOptions, HandlerOptions, MessageContext } from '../engine/index.js';

/** What one decorator says of its method. */
export interface HandlerMetadata {
  readonly source: Destination;
  readonly contract?: EventContract<any, any>;
  readonly options: HandlerOptions;
}

const HANDLERS = Symbol.for('nest-messaging:handlers');

/** What the decorators say of a method; undecorated overrides of decorated methods are no handlers. */
export function handlersOf(method: unknown): readonly HandlerMetadata[] {
  return typeof method === 'function'
    ? ((Reflect.getMetadata(HANDLERS, method) as HandlerMetadata[] | undefined) ?? [])
    : [];
}

/**
 * A method that can take what the contract gives: the payload, the context, both, or nothing; further parameters have
 * decorators of their own. TypeScript does not see which parameter `@Payload()` or `@Ctx()` stands on: where they
 * stand in another order, `OnEvent<any>(contract)` checks none.
 */
type HandlerDecorator<Out> = 0 extends 1 & Out
  ? AnyHandlerDecorator
  : <Handler extends (payload: Out, context: MessageContext, ...decorated: any[]) => unknown>(
      target: object,
      key: string | symbol,
      descriptor: TypedPropertyDescriptor<Handler>,
    ) => void;

/** As {@link HandlerDecorator}, of a method that takes many at a time. */
type BatchHandlerDecorator<Out> = 0 extends 1 & Out ? AnyHandlerDecorator : ArrayHandlerDecorator<Out>;

type ArrayHandlerDecorator<Out> = <
  Handler extends (payloads: Out[], batch: BatchContext, ...decorated: any[]) => unknown,
>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<Handler>,
) => void;

/** Any method: a plain topic says nothing of its payload. */
type AnyHandlerDecorator = <Handler extends (...args: any[]) => unknown>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<Handler>,
) => void;

function handler(
  kind: Destination['kind'],
  target: string | EventContract<any, any>,
  options: HandlerOptions,
): AnyHandlerDecorator {
  const contract = isContract(target) ? target : undefined;
  const name = contract?.topic ?? (target as string);
  if (kind === 'topic') checkTopicOrPattern(name);
  else checkName('queue', name);
  const metadata: HandlerMetadata = { source: { kind, name }, contract, options };
  return (target, key, { value: method }) => {
    if (typeof target === 'function' || typeof method !== 'function')
      throw new RegistrationError(
        `${kind === 'topic' ? 'OnEvent' : 'OnQueue'} of '${name}' stands on '${String(key)}', which is ${
          typeof target === 'function' ? 'static' : 'no method'
        }: put it on a method of an instance`,
      );
    // Appended, not replaced: one method may handle several topics. Decorators run from the last to the first.
    Reflect.defineMetadata(HANDLERS, [metadata, ...handlersOf(method)], method);
  };
}

/**
 * The method handles each event of the topic, once per group.
 *
 * | the method | the message is |
 * |---|---|
 * | returns, or its promise resolves or Observable completes | acknowledged |
 * | throws | retried after a delay; dead-lettered after the last attempt |
 * | throws `RetryLater` | retried after the delay given |
 * | throws `DeadLetter` | dead-lettered now |
 * | throws `Discard` | acknowledged, and counted as discarded |
 * | runs longer than `timeout` | as if it had thrown |
 *
 * With `batch` in its options the method gets an array of payloads and a `BatchContext`, whose table says what becomes
 * of each message.
 *
 * @param target a topic, a pattern (`*` one word, `#` any number of words) or a contract of `defineEvent`
 * @throws {ConfigurationError} if the topic cannot be used on every broker
 */
export function OnEvent<Out>(
  contract: EventContract<any, Out>,
  options: BatchHandlerOptions,
): BatchHandlerDecorator<Out>;
export function OnEvent(topic: string, options: BatchHandlerOptions): ArrayHandlerDecorator<any>;
export function OnEvent<Out>(
  contract: EventContract<any, Out>,
  options?: HandlerOptions,
): HandlerDecorator<Out>;
export function OnEvent(topic: string, options?: HandlerOptions): AnyHandlerDecorator;
export function OnEvent(
  target: string | EventContract<any, any>,
  options: HandlerOptions = {},
): AnyHandlerDecorator {
  return handler('topic', target, options);
}

/**
 * The method works on the queue, in turn with all its other workers; each message goes to exactly one.
 * Outcomes as for {@link OnEvent}.
 */
export function OnQueue<Out>(
  contract: EventContract<any, Out>,
  options: BatchHandlerOptions,
): BatchHandlerDecorator<Out>;
export function OnQueue(queue: string, options: BatchHandlerOptions): ArrayHandlerDecorator<any>;
export function OnQueue<Out>(
  contract: EventContract<any, Out>,
  options?: HandlerOptions,
): HandlerDecorator<Out>;
export function OnQueue(queue: string, options?: HandlerOptions): AnyHandlerDecorator;
export function OnQueue(
  target: string | EventContract<any, any>,
  options: HandlerOptions = {},
): AnyHandlerDecorator {
  return handler('queue', target, options);
}
