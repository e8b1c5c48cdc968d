import { systemClock, type DeliveryHandler } from '../../src/contract/index.js';
import { createDispatcher, type DispatcherParts, type Invoke } from '../../src/engine/dispatcher.js';
import { resolveHandlerOptions, type HandlerOptions } from '../../src/engine/handler-options.js';
import { jsonCodec, type EngineEvent } from '../../src/engine/index.js';
import { createTimeLimit } from '../../src/engine/time-limit.js';

export interface Bench {
  readonly dispatch: DeliveryHandler;
  readonly resize: (concurrency: number) => void;
  readonly events: readonly EngineEvent[];
  readonly stopping: AbortController;
  readonly deadline: AbortController;
}

/** The dispatcher of one handler, without a broker. */
export function dispatcherOf(
  handle: (payload: any, context: any) => unknown,
  options: HandlerOptions,
  parts: Partial<DispatcherParts> = {},
): Bench {
  const events: EngineEvent[] = [];
  const [stopping, deadline] = [new AbortController(), new AbortController()];
  const { handle: dispatch, resize } = createDispatcher({
    options: resolveHandlerOptions(options, {
      group: 'g',
      ordered: false,
      transport: 'memory',
      label: 'handler',
    }),
    source: 't',
    invoke: handle as Invoke,
    codec: jsonCodec,
    maxBodySize: 1_000,
    maxHold: Number.POSITIVE_INFINITY,
    maxDelay: Number.POSITIVE_INFINITY,
    clock: systemClock,
    observe: (event) => events.push(event),
    opening: () => undefined,
    stopping: stopping.signal,
    deadline: deadline.signal,
    excused: () => false,
    limited: createTimeLimit(systemClock, deadline.signal),
    ...parts,
  });
  return { dispatch, resize, events, stopping, deadline };
}
