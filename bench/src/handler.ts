import { setImmediate } from 'node:timers/promises';

/** What handlers do: they wait for something that takes no time, so that they are asynchronous and cost nothing themselves. */
export const work = async (): Promise<void> => {
  await setImmediate();
};
