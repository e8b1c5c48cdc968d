import { Injectable, type DynamicModule } from '@nestjs/common';
import { EventBus, MessagingModule, OnEvent, OnQueue, type Broker } from '@nest-messaging/core';
import { HANDS, type Breadth, type Contestant, type Handle, type Place } from '../contestant.js';
import type { Message } from '../message.js';
import { application } from './nest.js';

const NAME = 'order.placed';

/** How ours publishes and handles: an event goes to every group, a task to one worker. */
const ways = {
  event: {
    decorate: OnEvent(NAME, { concurrency: HANDS }),
    send: (bus: EventBus, message: Message) => bus.publish(NAME, message),
  },
  task: {
    decorate: OnQueue(NAME, { concurrency: HANDS }),
    send: (bus: EventBus, message: Message) => bus.enqueue(NAME, message),
  },
};

const topicOf = (which: number | '*'): string => `order.${which}`;

/** A subscription for each of many topics, or one for all of them. */
function broadHandler({ of, count }: Breadth, handle: Handle): new () => object {
  @Injectable()
  class Orders {
    async on(message: Message): Promise<void> {
      await handle(message);
    }
  }
  const sources = of === 'topics' ? [topicOf('*')] : Array.from({ length: count }, (_, at) => topicOf(at));
  const method = Object.getOwnPropertyDescriptor(Orders.prototype, 'on')!;
  for (const source of sources) OnEvent(source, { concurrency: HANDS })(Orders.prototype, 'on', method);
  return Orders;
}

/** The module itself, as an application uses it. */
export function ours(
  name: string,
  broker: (place: Place) => Broker,
  { way, says }: { readonly way: keyof typeof ways; readonly says: string },
): Contestant {
  const { decorate, send } = ways[way];
  const messaging = (place: Place): DynamicModule =>
    MessagingModule.forRoot({ service: 'bench', namespace: place.name, broker: broker(place) });

  return {
    name,
    safety: 'ours',
    says,
    async publisher(place) {
      const app = await application({ imports: [messaging(place)] });
      const bus = app.get(EventBus);
      return { send: ([message]) => send(bus, message!), close: () => app.close() };
    },
    consumer: (place, handle) => application({ imports: [messaging(place)], providers: [handler(handle)] }),
    async broad(place, breadth, handle) {
      const app = await application({
        imports: [messaging(place)],
        providers: [broadHandler(breadth, handle)],
      });
      const bus = app.get(EventBus);
      return {
        send: ([message]) => bus.publish(topicOf(message!.id % breadth.count), message),
        close: () => app.close(),
      };
    },
  };

  function handler(handle: Handle): new () => object {
    @Injectable()
    class Orders {
      @decorate
      async on(message: Message): Promise<void> {
        await handle(message);
      }
    }
    return Orders;
  }
}
