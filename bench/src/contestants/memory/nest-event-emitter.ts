import { Injectable, type INestApplicationContext } from '@nestjs/common';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import type { Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { application } from '../nest.js';

let app: INestApplicationContext;

export default {
  name: '@nestjs/event-emitter',
  safety: 'defaults',
  says: 'hands over the object itself; a handler that throws is logged, and all run at once',
  async publisher() {
    const emitter = app.get(EventEmitter2);
    return { send: async ([message]) => emitter.emit('order.placed', message), close: async () => {} };
  },
  async consumer(_, handle) {
    @Injectable()
    class Orders {
      @OnEvent('order.placed')
      async on(message: Message): Promise<void> {
        await handle(message);
      }
    }
    app = await application({ imports: [EventEmitterModule.forRoot()], providers: [Orders] });
    // Listeners are there only once the application has started.
    await app.init();
    return app;
  },
} satisfies Contestant;
