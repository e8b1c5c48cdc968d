import { randomUUID } from 'node:crypto';

/** What others must be able to read of a message, whoever writes it: CloudEvents' attributes under a binding's prefix. */
export const cloudEvent = (prefix: string, type: string): Record<string, string> => ({
  [`${prefix}specversion`]: '1.0',
  [`${prefix}id`]: randomUUID(),
  [`${prefix}type`]: type,
  [`${prefix}source`]: '/bench',
  [`${prefix}time`]: new Date().toISOString(),
});
