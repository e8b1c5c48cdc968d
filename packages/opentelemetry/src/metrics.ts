import { metrics, type Attributes } from '@opentelemetry/api';
import type { Message, OutgoingMessage, Settlement } from '@nest-messaging/core/contract';
import type { Followed, Handed, Observer, Run } from '@nest-messaging/core/engine';
import {
  ATTRIBUTE,
  failingOf,
  handlerAttributes,
  operationAttributes,
  PROCESSING,
  SCHEMA_URL,
  SCOPE,
  sending,
  settling,
  type Failing,
} from './conventions.js';

/** Notes how many seconds an operation took, and why it failed, if it did. */
export type Measured = (seconds: number, failing?: Failing) => void;

export interface Metrics {
  publish(message: OutgoingMessage): Measured;
  process(run: Run): Measured;
  settle(handed: Handed, settlement: Settlement): Measured;
  readonly observe: Observer;
}

/** Of the conventions, in seconds. */
const OPERATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
/** A message may wait for its subscriber, or for its next attempt. */
const AGE_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600];

const outcomeOf = (attributes: Attributes, failing: Failing | undefined): Attributes =>
  failing ? { ...attributes, [ATTRIBUTE.errorType]: failing.type } : attributes;

/** What is measured of one connection. Attributes are those that there are few of: no ids, and patterns for topics under them. */
export function metricsOf(connection: Followed): Metrics {
  const meter = metrics.getMeter(SCOPE, undefined, { schemaUrl: SCHEMA_URL });
  const ofConnection: Attributes = { [ATTRIBUTE.connection]: connection.connection };

  const counter = (name: string, unit: string, description: string) =>
    meter.createCounter(name, { unit, description });
  const current = (name: string, description: string) =>
    meter.createUpDownCounter(name, { unit: '{message}', description });
  const seconds = (name: string, description: string, explicitBucketBoundaries: number[]) =>
    meter.createHistogram(name, { unit: 's', description, advice: { explicitBucketBoundaries } });

  const sent = counter('messaging.client.sent.messages', '{message}', 'Messages given to the broker.');
  const consumed = counter(
    'messaging.client.consumed.messages',
    '{message}',
    'Messages given to a handler, at each attempt.',
  );
  const operations = seconds(
    'messaging.client.operation.duration',
    'Time of publishing and of settling.',
    OPERATION_BUCKETS,
  );
  const processing = seconds('messaging.process.duration', 'Time of handlers.', OPERATION_BUCKETS);
  const pending = current(
    'nest_messaging.pending.publishes',
    'Publishes that wait for room or for the broker.',
  );
  const inFlight = current('nest_messaging.in_flight.messages', 'Messages in a handler.');
  const age = seconds(
    'nest_messaging.message.age',
    'From publishing a message, or from when its delay was over, to the end of the handler that has handled it.',
    AGE_BUCKETS,
  );
  const retried = counter(
    'nest_messaging.retried.messages',
    '{message}',
    'Failed attempts that are followed by another.',
  );
  const deadLettered = counter('nest_messaging.dead_lettered.messages', '{message}', 'Messages set aside.');
  const discarded = counter(
    'nest_messaging.discarded.messages',
    '{message}',
    'Messages thrown away on purpose.',
  );
  const expired = counter('nest_messaging.expired.messages', '{message}', 'Messages that came too late.');
  const refused = counter(
    'nest_messaging.refused.publishes',
    '{message}',
    'Publishes refused because too much waited.',
  );
  const unsettled = counter(
    'nest_messaging.failed.settlements',
    '{message}',
    'Settlements that could not be carried out: the messages come again.',
  );
  const gaps = counter('nest_messaging.gaps', '{gap}', 'Times that messages were passed over.');
  const disconnections = counter(
    'nest_messaging.disconnections',
    '{disconnection}',
    'Times that the broker was lost.',
  );

  // There from the beginning, so that the first of them is seen as an increase.
  for (const each of [unsettled, gaps, disconnections]) each.add(0, ofConnection);

  const ofHandler = (handed: Handed): Attributes => ({ ...ofConnection, ...handlerAttributes(handed) });
  /** Each message of a batch ends as its own, whatever became of the batch. */
  const countAttempt = (handled: Handed, failing?: Failing): void =>
    consumed.add(1, outcomeOf(operationAttributes(connection, PROCESSING, handled), failing));
  const ofDestination = ({ destination }: Pick<Message, 'destination'>): Attributes => ({
    ...ofConnection,
    [ATTRIBUTE.destination]: destination.name,
  });

  return {
    publish(message) {
      const attributes = operationAttributes(connection, sending(message), { message });
      const waiting = ofDestination(message);
      pending.add(1, waiting);
      return (took, failing) => {
        const outcome = outcomeOf(attributes, failing);
        pending.add(-1, waiting);
        sent.add(1, outcome);
        operations.record(took, outcome);
      };
    },
    process({ attempts }) {
      const handled = attempts[0]!;
      const attributes = operationAttributes(connection, PROCESSING, handled);
      const running = ofHandler(handled);
      inFlight.add(attempts.length, running);
      return (took, failing) => {
        inFlight.add(-attempts.length, running);
        processing.record(took, outcomeOf(attributes, failing));
      };
    },
    settle(handed, settlement) {
      const attributes = operationAttributes(connection, settling(settlement), handed);
      return (took, failing) => operations.record(took, outcomeOf(attributes, failing));
    },
    observe(event) {
      switch (event.type) {
        case 'handled': {
          countAttempt(event);
          const { publishedAt, dueAt = publishedAt } = event.message;
          // The publisher's clock may be ahead of this one.
          if (dueAt !== undefined) age.record(Math.max(0, Date.now() - dueAt) / 1_000, ofHandler(event));
          return;
        }
        case 'retried': {
          const failing = failingOf(event.error);
          countAttempt(event, failing);
          return retried.add(1, outcomeOf(ofHandler(event), failing));
        }
        case 'dead-lettered': {
          const failing = failingOf(event.error);
          // One that killed its process too often was not tried once more.
          if (event.duration !== undefined) countAttempt(event, failing);
          return deadLettered.add(1, outcomeOf(ofHandler(event), failing));
        }
        case 'discarded':
          if (event.duration !== undefined) countAttempt(event, failingOf(event.error));
          return discarded.add(1, ofHandler(event));
        case 'released':
          // Without an error it was interrupted, or had not begun.
          if (event.error !== undefined) countAttempt(event, failingOf(event.error));
          return;
        case 'expired':
          return expired.add(1, ofHandler(event));
        case 'overload':
          return refused.add(1, ofDestination(event));
        case 'settlement-failed':
          return unsettled.add(1, ofConnection);
        case 'gap':
          return gaps.add(1, ofConnection);
        case 'disconnected':
          return disconnections.add(1, ofConnection);
      }
    },
  };
}
