import type { Delivery, Settlement } from '@nest-messaging/core/contract';

/** A delivery as a probe saw it. */
export interface Seen extends Delivery {
  readonly text: string;
  /** When it was handed over, by the test's clock. */
  readonly at: number;
  /** How often this probe had seen the message, this time included. */
  readonly time: number;
}

/** What a probe does with a delivery. */
export type Behaviour = (seen: Seen) => Settlement | Promise<Settlement>;

/** A handler that remembers. */
export interface Probe {
  readonly seen: readonly Seen[];
  /** Bodies in the order of their handing over. */
  readonly texts: readonly string[];
  readonly unsettled: number;
  readonly mostUnsettled: number;
}

const failure = (at: number, message = 'as the test wants it') => ({ name: 'TestFailure', message, at });

export const acknowledge: Settlement = { type: 'acknowledge' };
export const release: Settlement = { type: 'release' };
export const retry = (delay: number): Settlement => ({ type: 'retry', delay, failure: failure(Date.now()) });
export const deadLetter = (message?: string, attempts: number = 1): Settlement => ({
  type: 'dead-letter',
  attempts,
  failure: failure(Date.now(), message),
});

/** Behaves as the first of `settlements` when a message is first seen, then as the second …, then as the last. */
export const inTurn =
  (...settlements: Settlement[]): Behaviour =>
  ({ time }) =>
    settlements[Math.min(time, settlements.length) - 1]!;

/** A door that a test opens for handlers that wait behind it. */
export interface Gate {
  readonly opened: Promise<void>;
  readonly open: () => void;
}

export function gate(): Gate {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

/** Keeps every delivery until the gate opens, then settles it. */
export const behind =
  ({ opened }: Gate, settlement: Settlement = acknowledge): Behaviour =>
  async () => {
    await opened;
    return settlement;
  };

/** Never settles: as a handler that a process took with it when it ended. */
export const forever: Behaviour = () => new Promise(() => {});

export function createProbe(
  behaviour: Behaviour,
  now: () => number,
  isMine: (name: string) => boolean,
  onChange: () => void,
): { readonly probe: Probe; readonly handle: (delivery: Delivery) => Promise<Settlement> } {
  const seen: Seen[] = [];
  const times = new Map<string, number>();
  let unsettled = 0;
  let mostUnsettled = 0;
  return {
    probe: {
      seen,
      get texts() {
        return seen.map(({ text }) => text);
      },
      get unsettled() {
        return unsettled;
      },
      get mostUnsettled() {
        return mostUnsettled;
      },
    },
    async handle(delivery) {
      // A pattern may reach what a test beside this one publishes.
      if (!isMine(delivery.message.destination.name)) return acknowledge;
      const { id, body } = delivery.message;
      const time = (times.get(id) ?? 0) + 1;
      times.set(id, time);
      const one: Seen = {
        ...delivery,
        // It may be made for who asks for it.
        raw: delivery.raw,
        text: Buffer.from(body).toString(),
        at: now(),
        time,
      };
      seen.push(one);
      unsettled++;
      mostUnsettled = Math.max(mostUnsettled, unsettled);
      onChange();
      try {
        return await behaviour(one);
      } finally {
        unsettled--;
        onChange();
      }
    },
  };
}
