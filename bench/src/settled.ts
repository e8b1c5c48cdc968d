import { setTimeout as wait } from 'node:timers/promises';

/** Milliseconds in which the last acknowledgement leaves, or the first subscription takes effect, before all is closed. */
const TO_SETTLE = 200;

/** No client tells when it has acknowledged. What is timed has ended by then. */
export const settled = (): Promise<void> => wait(TO_SETTLE);
