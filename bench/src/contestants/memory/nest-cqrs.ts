import type { INestApplicationContext } from '@nestjs/common';
import { CqrsModule, EventBus, EventsHandler, type IEventHandler } from '@nestjs/cqrs';
import type { Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { application } from '../nest.js';

class OrderPlaced {
  constructor(readonly order: Message) {}
}

let app: INestApplicationContext;

export default {
  name: '@nestjs/cqrs',
  safety: 'defaults',
  says: 'hands over the object itself; nobody waits for a handler, and all run at once',
  async publisher() {
    const bus = app.get(EventBus);
    return { send: async ([order]) => bus.publish(new OrderPlaced(order!)), close: async () => {} };
  },
  async consumer(_, handle) {
    @EventsHandler(OrderPlaced)
    class Orders implements IEventHandler<OrderPlaced> {
      handle({ order }: OrderPlaced): Promise<void> {
        return handle(order);
      }
    }
    app = await application({ imports: [CqrsModule.forRoot()], providers: [Orders] });
    return app;
  },
} satisfies Contestant;
