import type { Contestant, Handle } from '../../contestant.js';
import type { Message } from '../../message.js';

let handler: Handle | undefined;

export default {
  name: 'JSON round trip',
  safety: 'defaults',
  says: 'written as bytes and read again: the least that a copy costs; nobody waits for a handler, and all run at once',
  publisher: async () => ({
    async send([message]) {
      const bytes = Buffer.from(JSON.stringify(message));
      void handler?.(JSON.parse(bytes.toString()) as Message);
    },
    close: async () => {},
  }),
  async consumer(_, handle) {
    handler = handle;
    return { close: async () => {} };
  },
} satisfies Contestant;
