import type { DeadLetters, Environment } from '../contract/index.js';
import type { Hub } from './hub.js';

/** The dead letters that the hub holds, as one application sees them. */
export function deadLettersOf(hub: Hub, environment: Environment): DeadLetters {
  return {
    async list(subscription, limit) {
      const letters = hub.find(environment, subscription)?.deadLetters.values() ?? [];
      return [...letters].slice(0, limit).map((letter) => {
        const message = { ...letter.message, body: new Uint8Array(letter.message.body) };
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
