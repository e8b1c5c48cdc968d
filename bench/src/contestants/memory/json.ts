import { HANDS, type Contestant, type Handle } from '../../contestant.js';
import type { Message } from '../../message.js';

/** Written bytes; those before `next` are handled, or being handled. */
let written: Buffer[] = [];
let next = 0;
let running = 0;
let handler: Handle | undefined;

function pump(): void {
  while (handler && running < HANDS && next < written.length) {
    running += 1;
    void handle(handler, written[next]!);
    next += 1;
  }
  if (next < written.length) return;
  written = [];
  next = 0;
}

async function handle(handler: Handle, bytes: Buffer): Promise<void> {
  await handler(JSON.parse(bytes.toString()) as Message);
  running -= 1;
  pump();
}

export default {
  name: 'JSON round trip',
  safety: 'equal',
  says: `written as bytes, and read again by whoever of ${HANDS} handlers is free: the least that a copy costs`,
  publisher: async () => ({
    async send([message]) {
      written.push(Buffer.from(JSON.stringify(message)));
      pump();
    },
    close: async () => {},
  }),
  async consumer(_, handle) {
    handler = handle;
    pump();
    return { close: async () => void (handler = undefined) };
  },
} satisfies Contestant;
