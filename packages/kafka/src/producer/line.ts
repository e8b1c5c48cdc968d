import {
  createBackoff,
  createTurnoverSet,
  type Clock,
  type TurnoverSet,
} from '@nest-messaging/core/contract';

/** Things that wait in their order, and are worked on by one at a time. */
export interface Line<Item> {
  readonly waiting: TurnoverSet<Item>;
  /** Works on what waits, unless it does already. */
  go(): void;
  /** Until it stands still. */
  readonly working: Promise<void> | undefined;
}

export interface LineParts<Item> {
  /** Takes what it wants from those that wait; answers whether to pause before the next time. Never rejects. */
  readonly work: (waiting: TurnoverSet<Item>) => Promise<boolean>;
  /** Whether to go on. */
  readonly may: () => boolean;
  readonly clock: Clock;
  readonly ended: AbortSignal;
  /** Stands still, and nothing waits. */
  readonly idle: () => void;
}

export function createLine<Item>({ work, may, clock, ended, idle }: LineParts<Item>): Line<Item> {
  const waiting = createTurnoverSet<Item>();
  let working: Promise<void> | undefined;

  const run = async (): Promise<void> => {
    const backoff = createBackoff(clock);
    while (waiting.size > 0 && may()) {
      if (await work(waiting)) await backoff.wait(ended);
      else backoff.reset();
    }
  };

  const go = (): void => {
    working ??= run().finally(() => {
      working = undefined;
      if (waiting.size === 0) idle();
      // It may go on again, or something came, just as it was about to stand still.
      else if (may()) go();
    });
  };

  return {
    waiting,
    go,
    get working() {
      return working;
    },
  };
}
