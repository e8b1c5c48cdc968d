import type { DeadLetterContent, Message, Settlement, SubscriptionId } from '../contract/index.js';
import { createFifo } from './fifo.js';
import type { Room } from './room.js';

/** A message as one subscription holds it. */
export interface Entry {
  readonly message: Message;
  /** Failures so far + 1. */
  readonly attempt: number;
  /** Place in the order of arrival; kept through retries, so that what comes back finds its place. */
  readonly sequence: number;
  readonly firstFailedAt?: number;
}

/** Who takes messages from a queue. */
export interface Taker {
  /** Only the first of a queue's ordered takers gets messages. */
  readonly ordered: boolean;
  /** It can take one more now. */
  readonly ready: boolean;
  take(entry: Entry): void;
}

/** All that the broker holds for one subscription. */
export interface SubscriptionQueue {
  readonly id: SubscriptionId;
  readonly broadcast: boolean;
  /** Messages that nobody has taken. */
  readonly waiting: number;
  /** Takes a message at its end. */
  push(message: Message): void;
  /** Messages taken and not settled come back, in their place. */
  giveBack(entries: Iterable<Entry>): void;
  /** Carries out what was decided about an entry, which `group` took at `takenAt`. */
  settle(entry: Entry, settlement: Settlement, group: string, takenAt: number): void;
  join(taker: Taker): void;
  leave(taker: Taker): void;
  /** Looks again who can take what. */
  stir(): void;
  /** Forgets all it holds and takes no more. */
  remove(): void;
  /** By their place, oldest first. */
  readonly deadLetters: ReadonlyMap<number, DeadLetterContent>;
  /** Adds a dead letter, as the newest. */
  setAside(letter: DeadLetterContent): void;
  /** Takes a dead letter away; answers whether it was there. */
  forget(place: number): boolean;
}

/** Deliveries never start in the publisher's turn; taken at load, so that a test's fake timers do not stop the broker. */
const defer = setImmediate;

export function createSubscriptionQueue(
  id: SubscriptionId,
  broadcast: boolean,
  room: Room,
  after: (ms: number, run: () => void) => void,
): SubscriptionQueue {
  const waiting = createFifo<Entry>();
  /** What came back: goes before `waiting`. Latest first, so that the next one is popped. */
  const returned: Entry[] = [];
  const takers: Taker[] = [];
  const deadLetters = new Map<number, DeadLetterContent>();
  let turn = 0;
  let sequence = 0;
  let stirred = false;
  let removed = false;

  /** The next in turn, so that those who compete get equal shares. */
  const nextTaker = (): Taker | undefined => {
    const [first] = takers;
    if (first?.ordered) return first.ready ? first : undefined;
    for (let i = 0; i < takers.length; i++) {
      const taker = takers[(turn + i) % takers.length]!;
      if (!taker.ready) continue;
      turn = (turn + i + 1) % takers.length;
      return taker;
    }
    return undefined;
  };

  const handOver = (): void => {
    stirred = false;
    while (returned.length + waiting.length > 0) {
      const taker = nextTaker();
      if (!taker) return;
      taker.take((returned.pop() ?? waiting.shift())!);
    }
  };

  const stir = (): void => {
    if (stirred || takers.length === 0 || returned.length + waiting.length === 0) return;
    stirred = true;
    defer(handOver);
  };

  const add = (entry: Entry): void => {
    if (removed) return room.free(1);
    waiting.push(entry);
    stir();
  };

  const giveBack = (entries: Iterable<Entry>): void => {
    for (const entry of entries) {
      if (removed) {
        room.free(1);
        continue;
      }
      let at = returned.length;
      while (at > 0 && returned[at - 1]!.sequence < entry.sequence) at--;
      returned.splice(at, 0, entry);
    }
    stir();
  };

  const setAside = (letter: DeadLetterContent): void => {
    if (removed) return room.free(1);
    deadLetters.set(sequence++, letter);
  };

  return {
    id,
    broadcast,
    get waiting() {
      return returned.length + waiting.length;
    },
    deadLetters,
    stir,
    giveBack,
    push(message) {
      room.take(1);
      add({ message, attempt: 1, sequence: sequence++ });
    },
    settle(entry, settlement, group, takenAt) {
      const firstFailedAt = entry.firstFailedAt ?? takenAt;
      switch (settlement.type) {
        case 'acknowledge':
          return room.free(1);
        case 'release':
          return giveBack([entry]);
        case 'retry': {
          const again: Entry = { ...entry, attempt: entry.attempt + 1, firstFailedAt };
          return settlement.delay > 0 ? after(settlement.delay, () => add(again)) : add(again);
        }
        case 'dead-letter':
          if (broadcast) return room.free(1);
          return setAside({
            message: entry.message,
            failure: { ...settlement.failure },
            attempts: settlement.attempts,
            group,
            firstFailedAt,
          });
      }
    },
    join(taker) {
      takers.push(taker);
      stir();
    },
    leave(taker) {
      const at = takers.indexOf(taker);
      if (at >= 0) takers.splice(at, 1);
      stir();
    },
    remove() {
      removed = true;
      room.free(returned.length + waiting.length + deadLetters.size);
      returned.length = 0;
      while (waiting.shift());
      deadLetters.clear();
    },
    setAside,
    forget: (place) => deadLetters.delete(place),
  };
}
