import type { Contestant, Publisher } from './contestant.js';
import type { Message } from './message.js';

/** Messages on their way at a time, with every contestant. */
const IN_FLIGHT = 1_000;

/** Sends the messages `from` to before `to`, `atATime`, and resolves when the broker has all. */
export async function sendMany(
  { batch = 1 }: Contestant,
  publisher: Publisher,
  message: (id: number) => Message,
  {
    from,
    to,
    atATime = IN_FLIGHT,
  }: { readonly from: number; readonly to: number; readonly atATime?: number },
): Promise<void> {
  let next = from;
  const lane = async (): Promise<void> => {
    while (next < to) {
      const ids = Array.from({ length: Math.min(batch, to - next) }, (_, i) => next + i);
      next += ids.length;
      await publisher.send(ids.map((id) => message(id)));
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, atATime / batch) }, lane));
}
