import type { PlannedResource } from '@nest-messaging/core';
import type { Destination } from '@nest-messaging/core/contract';

type Bindings = Readonly<Record<string, unknown>>;

/** Where a destination is on its broker. */
export interface Located {
  readonly address: string;
  readonly bindings?: Bindings;
}

type Locate = (
  destination: Destination,
  resources: readonly PlannedResource[],
  subscription: string | undefined,
) => Located;

const first = (resources: readonly PlannedResource[], kind: string): PlannedResource | undefined =>
  resources.find((resource) => resource.kind === kind);

const isPattern = (name: string): boolean => /[*#]/.test(name);

/** @see https://github.com/asyncapi/bindings */
const LOCATE: Readonly<Record<string, Locate>> = {
  rabbitmq(destination, resources, subscription) {
    if (destination.kind === 'queue') {
      const name = subscription ?? first(resources, 'queue')?.name ?? destination.name;
      const queue = { name, durable: true, exclusive: false, autoDelete: false };
      return { address: name, bindings: { amqp: { is: 'queue', queue, bindingVersion: '0.3.0' } } };
    }
    // Another's, where there is one: the module's own is declared all the same, for delays.
    const exchange =
      resources.find(({ kind, made }) => kind === 'exchange' && made === 'never') ??
      first(resources, 'exchange');
    return {
      address: destination.name,
      ...(exchange && {
        bindings: {
          amqp: {
            is: 'routingKey',
            exchange: {
              name: exchange.name,
              type: String(exchange.settings?.['type']),
              durable: true,
              autoDelete: false,
            },
            bindingVersion: '0.3.0',
          },
        },
      }),
    };
  },
  kafka(destination, resources) {
    if (isPattern(destination.name)) return { address: destination.name };
    const topic = first(resources, 'topic')?.name ?? destination.name;
    return { address: topic, bindings: { kafka: { topic, bindingVersion: '0.5.0' } } };
  },
  aws(destination, resources, subscription) {
    if (isPattern(destination.name)) return { address: destination.name };
    const fifo = (name: string): boolean => name.endsWith('.fifo');
    if (destination.kind === 'queue') {
      const name = subscription ?? first(resources, 'queue')?.name ?? destination.name;
      return {
        address: name,
        bindings: { sqs: { queue: { name, fifoQueue: fifo(name) }, bindingVersion: '0.2.0' } },
      };
    }
    const name = first(resources, 'topic')?.name ?? destination.name;
    return {
      address: name,
      bindings: { sns: { name, ordering: { type: fifo(name) ? 'FIFO' : 'standard' } } },
    };
  },
};

/** Where a destination is on its broker; under its own name where nothing is known of the broker. */
export function locate(
  broker: string,
  destination: Destination,
  resources: readonly PlannedResource[],
  subscription?: string,
): Located {
  return LOCATE[broker]?.(destination, resources, subscription) ?? { address: destination.name };
}

/** What a handler's operation is on its broker. */
export function operationBindings(broker: string, subscription: string | undefined): Bindings | undefined {
  if (broker !== 'kafka' || subscription === undefined) return undefined;
  return { kafka: { groupId: { type: 'string', enum: [subscription] }, bindingVersion: '0.5.0' } };
}
