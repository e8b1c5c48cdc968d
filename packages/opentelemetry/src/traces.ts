import {
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Link,
  type Span,
} from '@opentelemetry/api';
import type { Message, OutgoingMessage, Settlement } from '@nest-messaging/core/contract';
import type { Followed, Handed, Handling, Run } from '@nest-messaging/core/engine';
import {
  ATTRIBUTE,
  messageAttributes,
  operationAttributes,
  PROCESSING,
  SCHEMA_URL,
  SCOPE,
  sending,
  settling,
  type Failing,
  type Operation,
} from './conventions.js';
import { carrying, contextOf, originOf } from './propagation.js';

/** A span under way. */
export interface Underway {
  /** What runs in it has it for its parent. */
  readonly context: Context;
  readonly end: (failing?: Failing) => void;
}

export interface Traces {
  publish(message: OutgoingMessage): Underway & { readonly message: OutgoingMessage };
  process(run: Run): Underway;
  settle(handed: Handed, settlement: Settlement): Underway;
}

function linkTo(brought: Context, attributes?: Attributes): Link[] {
  const origin = originOf(brought);
  return origin ? [{ context: origin, attributes }] : [];
}

const underway = (span: Span, parent: Context): Underway => ({
  context: trace.setSpan(parent, span),
  end(failing) {
    if (failing) {
      span.setAttribute(ATTRIBUTE.errorType, failing.type);
      span.setStatus({ code: SpanStatusCode.ERROR, message: failing.message });
    }
    span.end();
  },
});

/** Of all values the same one, or none. */
const shared = <T>(values: readonly T[]): T | undefined =>
  values.every((value) => value === values[0]) ? values[0] : undefined;

/**
 * Spans of one connection:
 *
 * | span | kind | parent | links to |
 * |---|---|---|---|
 * | `publish <topic>`, `enqueue <queue>` | producer | what is active where it is published | the origin that the caller gave in headers, if so |
 * | `process <topic or pattern>` | consumer | its message's origin; none for a batch | its message's origin, or each message's |
 * | `acknowledge`, `retry`, `dead-letter`, `release <topic or pattern>` | client | the process span before it | its message's origin |
 */
export function tracesOf(connection: Followed): Traces {
  const tracer = trace.getTracerProvider().getTracer(SCOPE, undefined, { schemaUrl: SCHEMA_URL });
  /** Where the message was handled last, for what becomes of it. */
  const handledIn = new WeakMap<Message, Context>();

  const start = (
    operation: Operation,
    about: { readonly message: Message } & Partial<Handed>,
    kind: SpanKind,
    parent: Context,
    links: Link[],
    more: Attributes,
  ): Underway => {
    const { source = about.message.destination.name } = about;
    const attributes = { ...operationAttributes(connection, operation, about), ...more };
    return underway(
      tracer.startSpan(`${operation.name} ${source}`, { kind, links, attributes }, parent),
      parent,
    );
  };

  function processOne(handling: Handling): Underway {
    const { message, attempt } = handling;
    const brought = contextOf(message);
    return start(PROCESSING, handling, SpanKind.CONSUMER, brought, linkTo(brought), {
      // Under a pattern the topic is its own.
      [ATTRIBUTE.destination]: message.destination.name,
      ...messageAttributes(message),
      [ATTRIBUTE.attempt]: attempt,
    });
  }

  function processBatch(attempts: readonly Handling[]): Underway {
    const topic = shared(attempts.map(({ message }) => message.destination.name));
    const links = attempts.flatMap(({ message, attempt }) =>
      linkTo(contextOf(message), {
        ...(topic === undefined && { [ATTRIBUTE.destination]: message.destination.name }),
        ...messageAttributes(message),
        [ATTRIBUTE.attempt]: attempt,
      }),
    );
    return start(PROCESSING, attempts[0]!, SpanKind.CONSUMER, ROOT_CONTEXT, links, {
      ...(topic !== undefined && { [ATTRIBUTE.destination]: topic }),
      [ATTRIBUTE.batchSize]: attempts.length,
    });
  }

  return {
    publish(message) {
      const active = context.active();
      const given = originOf(contextOf(message));
      const span = start(
        sending(message),
        { message },
        SpanKind.PRODUCER,
        active,
        given ? [{ context: given }] : [],
        messageAttributes(message),
      );
      const passedOn = given ? trace.setSpanContext(active, given) : span.context;
      return { ...span, message: carrying(message, passedOn) };
    },
    process({ batch, attempts }) {
      const span = batch ? processBatch(attempts) : processOne(attempts[0]!);
      for (const { message } of attempts) handledIn.set(message, span.context);
      return span;
    },
    settle(handed, settlement) {
      const { message } = handed;
      const brought = contextOf(message);
      return start(
        settling(settlement),
        handed,
        SpanKind.CLIENT,
        handledIn.get(message) ?? brought,
        linkTo(brought),
        { [ATTRIBUTE.destination]: message.destination.name, [ATTRIBUTE.messageId]: message.id },
      );
    },
  };
}
