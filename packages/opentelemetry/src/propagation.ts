import { propagation, ROOT_CONTEXT, trace, type Context, type SpanContext } from '@opentelemetry/api';
import type { Message } from '@nest-messaging/core/contract';

/** What a message brings along, by the application's propagator: where it comes from, and its baggage. */
export const contextOf = ({ headers }: Message): Context => propagation.extract(ROOT_CONTEXT, headers);

/** The span that a message comes from, where it says so. */
export const originOf = (brought: Context): SpanContext | undefined => trace.getSpanContext(brought);

/**
 * The message with what its receivers need to go on with the trace, in headers of its own. What the caller gave stays, and
 * stands first: where a broker has room for few headers, it is what strangers see.
 */
export function carrying<Sent extends Message>(message: Sent, context: Context): Sent {
  const carrier: Record<string, string> = {};
  propagation.inject(context, carrier);
  const missing = Object.entries(carrier).filter(([name]) => !Object.hasOwn(message.headers, name));
  return missing.length === 0
    ? message
    : { ...message, headers: { ...message.headers, ...Object.fromEntries(missing) } };
}
