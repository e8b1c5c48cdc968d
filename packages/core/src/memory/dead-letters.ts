import type { DeadLetterStore, Environment } from '../contract/index.js';
import type { Hub } from './hub.js';
import { handedMessage } from './message-copies.js';

/** The dead letters that the hub holds, as one application sees them. */
export function deadLettersOf(hub: Hub, environment: Environment): DeadLetterStore {
  return {
    async list(subscription, limit) {
      const letters = hub.find(environment, subscription)?.deadLetters.values() ?? [];
      return [...letters].slice(0, limit).map((letter) => {
        const message = handedMessage(letter.message);
        return { ...letter, message, raw: message };
      });
    },
    async redrive(subscription, ids) {
      const queue = hub.find(environment, subscription);
      const letters = queue?.takeDeadLetters(ids) ?? [];
      for (const { message } of letters) queue!.push(message);
      hub.room.free(letters.length);
      return letters.length;
    },
    async purge(subscription, ids) {
      const letters = hub.find(environment, subscription)?.takeDeadLetters(ids) ?? [];
      hub.room.free(letters.length);
      return letters.length;
    },
  };
}
