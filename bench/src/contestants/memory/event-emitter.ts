import { EventEmitter } from 'node:events';
import type { Contestant } from '../../contestant.js';

const emitter = new EventEmitter();

export default {
  name: 'EventEmitter',
  safety: 'defaults',
  says: 'hands over the object itself; nobody waits for a handler or hears of its failure, and all run at once',
  publisher: async () => ({
    send: async ([message]) => emitter.emit('order.placed', message),
    close: async () => {},
  }),
  async consumer(_, handle) {
    emitter.on('order.placed', handle);
    return { close: async () => emitter.removeAllListeners() };
  },
} satisfies Contestant;
