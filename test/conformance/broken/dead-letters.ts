import type { DeadLetterStore, Transport } from '@nest-messaging/core/contract';
import {
  acknowledge,
  around,
  broken,
  delivering,
  handling,
  never,
  release,
  settling,
  type Break,
  type Broken,
} from './breaking.js';

const letters = (change: (deadLetters: DeadLetterStore) => Partial<DeadLetterStore>): Break =>
  around(({ deadLetters }) => ({ deadLetters: { ...deadLetters, ...change(deadLetters) } }));

/** Publishes dead letters to their topic once more, as no redrive may. */
async function republish(
  { deadLetters, publish }: Pick<Transport, 'deadLetters' | 'publish'>,
  ...[about, ids]: Parameters<DeadLetterStore['redrive']>
): Promise<number> {
  const found = (await deadLetters.list(about, 1_000)).filter(({ message }) => !ids || ids.has(message.id));
  for (const { message } of found) await publish({ ...message, delay: 0, ordered: false }, never);
  return found.length;
}

/** Defects in dead letters and their redrive. */
export const brokenDeadLetters: readonly Broken[] = [
  broken('loses dead letters', () => settling((s) => (s.type === 'dead-letter' ? acknowledge : s))),
  broken('keeps nothing of a dead letter but its message', () =>
    letters(({ list }) => ({
      list: async (...about) =>
        (await list(...about)).map((letter) => ({
          ...letter,
          attempts: 1,
          failure: { name: 'Error', message: 'failed', at: 0 },
        })),
    })),
  ),
  broken('loses headers of dead letters', () =>
    letters(({ list }) => ({
      list: async (...about) =>
        (await list(...about)).map((letter) => ({
          ...letter,
          message: { ...letter.message, headers: {} },
        })),
    })),
  ),
  broken('alters the bytes of dead letters', () =>
    letters(({ list }) => ({
      list: async (...about) =>
        (await list(...about)).map((letter) => ({
          ...letter,
          message: {
            ...letter.message,
            body: Buffer.from(`"${Buffer.from(letter.message.body).toString()}"`),
          },
        })),
    })),
  ),
  broken('names no group of a dead letter', () =>
    letters(({ list }) => ({
      list: async (...about) => (await list(...about)).map((letter) => ({ ...letter, group: '' })),
    })),
  ),
  broken('hands a dead letter over again', () => settling((s) => (s.type === 'dead-letter' ? release : s))),
  broken('sets a message aside for every group at once', () => {
    const known = new Map<string, Parameters<DeadLetterStore['list']>[0]>();
    return around(({ deadLetters, subscribe }) => ({
      subscribe(s, handle) {
        known.set(JSON.stringify([s.source, s.group]), s);
        return subscribe(s, handle);
      },
      deadLetters: {
        ...deadLetters,
        list: async (about, limit) => {
          const own = [...known.values()].filter(({ source }) => source.name === about.source.name);
          const all = await Promise.all(
            [about, ...own.filter(({ group }) => group !== about.group)].map((one) =>
              deadLetters.list(one, limit),
            ),
          );
          return all.flat();
        },
      },
    }));
  }),
  broken('takes dead letters away by listing them', () => {
    const looks = new Map<string, number>();
    return letters(({ list, purge }) => ({
      async list(about, limit) {
        const found = await list(about, limit);
        const key = about.source.name;
        looks.set(key, (looks.get(key) ?? 0) + 1);
        // As a broker that destroys a message after so many deliveries.
        if (looks.get(key)! > 20) await purge(about);
        return found;
      },
    }));
  }),
  broken('lists the newest dead letters first', () =>
    letters(({ list }) => ({
      list: async (about, limit) => (await list(about, 1_000)).reverse().slice(0, limit),
    })),
  ),
  broken('lists all dead letters, however many were asked for', () =>
    letters(({ list }) => ({ list: (about) => list(about, 1_000) })),
  ),
  broken('forgets dead letters with the process that set them aside', () =>
    around((transport) => {
      const used: Parameters<DeadLetterStore['list']>[0][] = [];
      return {
        subscribe(s, handle) {
          used.push(s);
          return transport.subscribe(s, handle);
        },
        async close() {
          for (const one of used) await transport.deadLetters.purge(one);
          await transport.close();
        },
      };
    }),
  ),
  broken('has no dead letters for queues', () =>
    settling((s, _, { source }) => (source.kind === 'queue' && s.type === 'dead-letter' ? acknowledge : s)),
  ),
  broken('fails where there are no dead letters', () =>
    letters(({ list }) => ({
      async list(about, limit) {
        const found = await list(about, limit);
        if (found.length === 0) throw new Error('no such queue');
        return found;
      },
    })),
  ),
  broken('purges all, whatever the ids', () => letters(({ purge }) => ({ purge: (about) => purge(about) }))),
  broken('redrives all, whatever the ids', () =>
    letters(({ redrive }) => ({ redrive: (about) => redrive(about) })),
  ),
  broken('redrives with the attempts there were', () => {
    const most = new Map<string, number>();
    return handling((handle) => (delivery) => {
      const attempt = Math.max(delivery.attempt, (most.get(delivery.message.id) ?? 0) + 1);
      return handle({ ...delivery, attempt }).then((settlement) => {
        if (settlement.type === 'retry' || settlement.type === 'dead-letter')
          most.set(delivery.message.id, attempt);
        return settlement;
      });
    });
  }),
  broken('redrives to the topic, and so to every group', () =>
    around(({ deadLetters, publish }) => ({
      deadLetters: {
        ...deadLetters,
        async redrive(about, ids) {
          const count = await republish({ deadLetters, publish }, about, ids);
          await deadLetters.purge(about, ids);
          return count;
        },
      },
    })),
  ),
  broken('redrives and keeps the dead letter', () =>
    around(({ deadLetters, publish }) => ({
      deadLetters: {
        ...deadLetters,
        async redrive(about, ids) {
          return republish({ deadLetters, publish }, about, ids);
        },
      },
    })),
  ),
  broken('loses what is redriven while no process runs', () => {
    let running = 0;
    return around((transport) => {
      let mine = 0;
      return {
        subscribe(s, handle) {
          running++;
          mine++;
          return transport.subscribe(s, handle);
        },
        close() {
          running -= mine;
          mine = 0;
          return transport.close();
        },
        deadLetters: {
          ...transport.deadLetters,
          redrive: (about, ids) =>
            running > 0 ? transport.deadLetters.redrive(about, ids) : transport.deadLetters.purge(about, ids),
        },
      };
    });
  }),
  broken('loses headers of what is redriven', () => {
    const redriven = new Set<string>();
    return (broker) =>
      delivering((d) => (redriven.has(d.message.id) ? { ...d, message: { ...d.message, headers: {} } } : d))(
        letters(({ list, redrive }) => ({
          async redrive(about, ids) {
            for (const { message } of await list(about, 1_000)) redriven.add(message.id);
            return redrive(about, ids);
          },
        }))(broker),
      );
  }),
  broken('drops what fails again after a redrive', () => {
    const dead = new Set<string>();
    return settling((s, { message }) => {
      if (s.type !== 'dead-letter') return s;
      if (dead.has(message.id)) return acknowledge;
      dead.add(message.id);
      return s;
    });
  }),
  broken('redrives tasks to a topic of the queue’s name', () =>
    letters(({ redrive, purge }) => ({
      redrive: (about, ids) => (about.source.kind === 'queue' ? purge(about, ids) : redrive(about, ids)),
    })),
  ),
];
