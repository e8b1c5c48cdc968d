import { defineEvent, type EventContract } from '@nest-messaging/core/contract';

/** Texts in order, those that begin alike being of one key: some brokers must know of that when a topic is made. */
export const byFirstLetter = (topic: string): EventContract<string, string> =>
  defineEvent<string>(topic, { ordered: true, key: (text) => text.charAt(0) });
