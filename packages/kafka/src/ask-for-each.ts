import { atATime } from '@nest-messaging/core/contract';

/** Requests under way on one connection: it carries them all at once, but each has its time limit while it waits. */
const AT_A_TIME = 32;

/** Asks for each, many at the same time; answers in their order, and rejects with the first that fails. */
export const askForEach = <Of, Answer>(
  all: readonly Of[],
  ask: (one: Of) => Promise<Answer>,
): Promise<Answer[]> => atATime(AT_A_TIME, all, ask);
