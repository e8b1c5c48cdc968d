import {
  TopologyError,
  type DeadLetterContent,
  type DeadLetteredMessage,
  type DeadLetterStore,
  type Taking,
  type Transport,
} from '@nest-messaging/core/contract';
import {
  acknowledge,
  around,
  broken,
  delivering,
  handling,
  later,
  never,
  release,
  settling,
  type Break,
  type Broken,
} from './breaking.js';

type About = Parameters<DeadLetterStore['browse']>[0];

const letters = (change: (deadLetters: DeadLetterStore) => Partial<DeadLetterStore>): Break =>
  around(({ deadLetters }) => ({ deadLetters: { ...deadLetters, ...change(deadLetters) } }));

/** Changes each letter that is browsed. */
const browsing = (change: (letter: DeadLetteredMessage) => DeadLetteredMessage): Break =>
  letters(({ browse }) => ({
    async *browse(...about) {
      for await (const letter of browse(...about)) yield change(letter);
    },
  }));

/** Changes what is put back. */
const restoring = (change: (letter: DeadLetterContent) => DeadLetterContent): Break =>
  letters(({ restore }) => ({
    restore: (about, letter, signal) => restore(about, change(letter), signal),
  }));

async function all(found: AsyncIterable<DeadLetteredMessage>): Promise<DeadLetteredMessage[]> {
  const list: DeadLetteredMessage[] = [];
  for await (const letter of found) list.push(letter);
  return list;
}

const only = (id: string): Taking => ({ select: ({ message }) => message.id === id });

/** Publishes dead letters to their topic once more, as no redrive may. */
async function republish(
  { deadLetters, publish }: Pick<Transport, 'deadLetters' | 'publish'>,
  ...[about, taking]: Parameters<DeadLetterStore['redrive']>
): Promise<number> {
  const found = await all(deadLetters.browse(about, { select: taking?.select }));
  for (const { message } of found) await publish({ ...message, delay: 0, ordered: false }, never);
  return found.length;
}

/** Defects in dead letters and their redrive. */
export const brokenDeadLetters: readonly Broken[] = [
  broken('loses dead letters', () => settling((s) => (s.type === 'dead-letter' ? acknowledge : s))),
  broken('keeps nothing of a dead letter but its message', () =>
    browsing((letter) => ({
      ...letter,
      attempts: 1,
      failure: { name: 'Error', message: 'failed', at: 0 },
    })),
  ),
  broken('loses headers of dead letters', () =>
    browsing((letter) => ({ ...letter, message: { ...letter.message, headers: {} } })),
  ),
  broken('alters the bytes of dead letters', () =>
    browsing(({ message, ...letter }) => ({
      ...letter,
      message: { ...message, body: Buffer.from(`"${Buffer.from(message.body).toString()}"`) },
    })),
  ),
  broken('names no group of a dead letter', () => browsing((letter) => ({ ...letter, group: '' }))),
  broken('hands a dead letter over again', () => settling((s) => (s.type === 'dead-letter' ? release : s))),
  broken('sets a message aside for every group at once', () => {
    const known = new Map<string, About>();
    return around(({ deadLetters, subscribe }) => ({
      subscribe(s, handle) {
        known.set(JSON.stringify([s.source, s.group]), s);
        return subscribe(s, handle);
      },
      deadLetters: {
        ...deadLetters,
        async *browse(about, options) {
          const own = [...known.values()].filter(({ source }) => source.name === about.source.name);
          for (const one of [about, ...own.filter(({ group }) => group !== about.group)])
            yield* deadLetters.browse(one, options);
        },
      },
    }));
  }),
  broken('takes dead letters away by looking at them', () => {
    const looks = new Map<string, number>();
    return letters(({ browse, purge }) => ({
      async *browse(about, options) {
        yield* browse(about, options);
        const key = about.source.name;
        looks.set(key, (looks.get(key) ?? 0) + 1);
        // As a broker that destroys a message after so many deliveries.
        if (looks.get(key)! > 20) await purge(about);
      },
    }));
  }),
  broken('shows the newest dead letters first', () =>
    letters(({ browse }) => ({
      async *browse(about, { limit, ...options } = {}) {
        yield* (await all(browse(about, options))).reverse().slice(0, limit);
      },
    })),
  ),
  broken('shows all dead letters, however many were asked for', () =>
    letters(({ browse }) => ({ browse: (about, options) => browse(about, { ...options, limit: 1_000 }) })),
  ),
  broken('begins to browse with the oldest, whatever it was told', () =>
    letters(({ browse }) => ({
      browse: (about, options) => browse(about, { ...options, after: undefined }),
    })),
  ),
  broken('goes on from a place only while its letter is there', () => {
    const known = new Map<string, string>();
    return letters(({ browse }) => ({
      async *browse(about, { after, ...options } = {}) {
        for await (const letter of browse(about, options)) known.set(letter.position, letter.message.id);
        let reached = after === undefined || !known.has(after);
        for await (const letter of browse(about, options)) {
          if (reached) yield letter;
          reached ||= letter.position === after;
        }
      },
    }));
  }),
  broken('takes away what was looked at when browsing is left', () =>
    letters(({ browse, purge }) => ({
      async *browse(about, options) {
        let last: DeadLetteredMessage | undefined;
        try {
          for await (const letter of browse(about, options)) {
            last = letter;
            yield letter;
            last = undefined;
          }
        } finally {
          if (last) await purge(about, only(last.message.id));
        }
      },
    })),
  ),
  broken('shows all, whatever is chosen', () =>
    letters(({ browse }) => ({
      browse: (about, options) => browse(about, { ...options, select: undefined }),
    })),
  ),
  broken('purges what it could not choose', () =>
    letters(({ purge }) => ({
      purge: (about, { select, ...taking } = {}) =>
        purge(about, {
          ...taking,
          select(letter) {
            try {
              return select?.(letter) ?? true;
            } catch {
              return true;
            }
          },
        }),
    })),
  ),
  broken('ends for no signal', () =>
    letters(({ browse, purge, redrive }) => ({
      browse: (about, options) => browse(about, { ...options, signal: undefined }),
      purge: (about, taking) => purge(about, { ...taking, signal: undefined }),
      redrive: (about, taking) => redrive(about, { ...taking, signal: undefined }),
    })),
  ),
  broken('does not say where a dead letter comes from', () =>
    browsing((letter) => ({ ...letter, origin: undefined })),
  ),
  broken('loses what is set aside again', () => letters(() => ({ restore: async () => {} }))),
  broken('keeps nothing of what is set aside again but its message', () =>
    restoring((letter) => ({
      ...letter,
      attempts: 1,
      failure: { name: 'Error', message: 'failed', at: letter.failure.at },
    })),
  ),
  broken('takes what is set aside again for text', () =>
    restoring(({ message, ...letter }) => ({
      ...letter,
      message: { ...message, body: Buffer.from(Buffer.from(message.body).toString()) },
    })),
  ),
  broken('sets everything aside again under its pattern or a topic', () =>
    letters(({ restore }) => ({
      restore: (about, { message, ...letter }, signal) =>
        restore(
          about,
          { ...letter, message: { ...message, destination: { ...about.source, kind: 'topic' } } },
          signal,
        ),
    })),
  ),
  broken('sets aside again what is of nobody', () =>
    letters(({ restore }) => ({
      restore: (...about) => restore(...about).catch(() => {}),
    })),
  ),
  broken('sets aside again what comes from another’s place', () => {
    const places = new Set<string | undefined>();
    return letters(({ browse, restore }) => ({
      async *browse(...about) {
        for await (const letter of browse(...about)) {
          places.add(letter.origin);
          yield letter;
        }
      },
      restore: (about, { origin, ...letter }, signal) =>
        restore(about, places.has(origin) ? letter : { ...letter, origin }, signal),
    }));
  }),
  broken('forgets dead letters with the process that set them aside', () =>
    around((transport) => {
      const used: About[] = [];
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
    letters(({ browse }) => ({
      async *browse(...about) {
        let found = 0;
        for await (const letter of browse(...about)) {
          found++;
          yield letter;
        }
        if (found === 0) throw new Error('no such queue');
      },
    })),
  ),
  broken('has a place for dead letters of anybody', () => letters(() => ({ check: async () => {} }))),
  broken('has a place for dead letters only while there are some', () =>
    letters(({ browse, check }) => ({
      async check(about) {
        await check(about);
        if ((await all(browse(about))).length === 0) throw new Error('no such queue');
      },
    })),
  ),
  broken('does not say which place for dead letters there is not', () =>
    letters(({ check }) => ({
      check: (about) =>
        check(about).catch(() => {
          throw new TopologyError('there is none');
        }),
    })),
  ),
  broken('purges all, whatever is chosen', () =>
    letters(({ purge }) => ({ purge: (about, taking) => purge(about, { ...taking, select: undefined }) })),
  ),
  broken('redrives all, whatever is chosen', () =>
    letters(({ redrive }) => ({
      redrive: (about, taking) => redrive(about, { ...taking, select: undefined }),
    })),
  ),
  broken('redrives the newest first', () =>
    letters(({ browse, redrive }) => ({
      async redrive(about, taking) {
        const found = await all(browse(about, { select: taking?.select }));
        for (const { message } of found.reverse()) await redrive(about, only(message.id));
        return found.length;
      },
    })),
  ),
  broken('redrives what fails again meanwhile once more', () =>
    letters(({ redrive }) => ({
      async redrive(about, taking) {
        const once = await redrive(about, taking);
        for (let i = 0; i < 5; i++) await later();
        return once + (await redrive(about, taking));
      },
    })),
  ),
  broken('redrives nothing before it has chosen all', () =>
    letters(({ browse, redrive }) => ({
      async redrive(about, taking) {
        const found = new Set(
          (await all(browse(about, { select: taking?.select }))).map(({ message }) => message.id),
        );
        return redrive(about, { ...taking, select: ({ message }) => found.has(message.id) });
      },
    })),
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
        async redrive(about, taking) {
          const count = await republish({ deadLetters, publish }, about, taking);
          await deadLetters.purge(about, taking);
          return count;
        },
      },
    })),
  ),
  broken('redrives and keeps the dead letter', () =>
    around(({ deadLetters, publish }) => ({
      deadLetters: {
        ...deadLetters,
        async redrive(about, taking) {
          return republish({ deadLetters, publish }, about, taking);
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
          redrive: (...about) =>
            running > 0 ? transport.deadLetters.redrive(...about) : transport.deadLetters.purge(...about),
        },
      };
    });
  }),
  broken('loses headers of what is redriven', () => {
    const redriven = new Set<string>();
    return (broker) =>
      delivering((d) => (redriven.has(d.message.id) ? { ...d, message: { ...d.message, headers: {} } } : d))(
        letters(({ browse, redrive }) => ({
          async redrive(about, taking) {
            for await (const { message } of browse(about)) redriven.add(message.id);
            return redrive(about, taking);
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
      redrive: (about, taking) =>
        about.source.kind === 'queue' ? purge(about, taking) : redrive(about, taking),
    })),
  ),
];
