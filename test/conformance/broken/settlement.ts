import type { Settlement } from '@nest-messaging/core/contract';
import {
  acknowledge,
  around,
  broken,
  delivering,
  handling,
  later,
  never,
  publishing,
  release,
  settling,
  type Broken,
} from './breaking.js';

const now: Settlement = { type: 'retry', delay: 0, failure: { name: 'E', message: 'e', at: 0 } };

/** Defects in what becomes of a delivery: settlements, retries, delays. */
export const brokenSettlement: readonly Broken[] = [
  broken('never acknowledges', () =>
    handling((handle) => async (delivery) => {
      const settlement = await handle(delivery);
      return settlement.type === 'acknowledge' ? new Promise(() => {}) : settlement;
    }),
  ),
  broken('hands an acknowledged message over once more', () => {
    const again = new Set<string>();
    return settling((settlement, { message }) => {
      if (settlement.type !== 'acknowledge' || again.has(message.id)) return settlement;
      again.add(message.id);
      return release;
    });
  }),
  broken('acknowledges before the handler has ended', () =>
    handling((handle) => async (delivery) => {
      void handle(delivery);
      return acknowledge;
    }),
  ),
  broken('tells nobody that it has carried a settlement out', () =>
    settling((settlement) => ({ ...settlement, carriedOut: undefined })),
  ),
  broken('tells twice that it has carried a settlement out', () =>
    settling(({ carriedOut, ...settlement }) => ({
      ...settlement,
      carriedOut(error) {
        carriedOut?.(error);
        carriedOut?.(error);
      },
    })),
  ),
  broken('tells that it has set a message aside before it has', () =>
    settling(({ carriedOut, ...settlement }) => {
      carriedOut?.();
      return settlement;
    }),
  ),
  broken('counts every hand-over as an attempt', () => {
    const times = new Map<string, number>();
    return handling((handle, { group }) => (delivery) => {
      const key = `${group} ${delivery.message.id}`;
      times.set(key, (times.get(key) ?? 0) + 1);
      return handle({ ...delivery, attempt: times.get(key)! });
    });
  }),
  broken('drops what is released', () => settling((s) => (s.type === 'release' ? acknowledge : s))),
  broken('counts a release as a failure', () => settling((s) => (s.type === 'release' ? now : s))),
  broken('keeps what is released in the process that released it', () =>
    around((transport) => {
      let closed = false;
      return {
        subscribe: (subscription, handle) =>
          transport.subscribe(subscription, async (delivery) => {
            let settlement = await handle(delivery);
            while (settlement.type === 'release' && !closed) {
              await later();
              settlement = await handle(delivery);
            }
            return settlement;
          }),
        close() {
          closed = true;
          return transport.close();
        },
      };
    }),
  ),
  broken('settles in the order of handing over', () =>
    around((transport) => ({
      subscribe(subscription, handle) {
        let last: Promise<unknown> = Promise.resolve();
        return transport.subscribe(subscription, (delivery) => {
          const before = last;
          const mine = handle(delivery).then(async (settlement) => {
            await before;
            return settlement;
          });
          last = mine;
          return mine;
        });
      },
    })),
  ),
  broken('takes a release for a death', () => {
    const seen = new Set<string>();
    return delivering((delivery) => {
      const { id } = delivery.message;
      const deaths = seen.has(id) ? 1 : 0;
      seen.add(id);
      return { ...delivery, deaths };
    });
  }),
  broken('counts no attempts', () => delivering((delivery) => ({ ...delivery, attempt: 1 }))),
  broken('drops what failed', () => settling((s) => (s.type === 'retry' ? acknowledge : s))),
  broken('ignores delays of retries', () => settling((s) => (s.type === 'retry' ? { ...s, delay: 0 } : s))),
  broken('retries twice as late as asked', () =>
    settling((s) => (s.type === 'retry' ? { ...s, delay: s.delay * 2 + 1_000 } : s)),
  ),
  broken('keeps a slot while a retry waits', () =>
    handling((handle, _, { clock }) => async (delivery) => {
      const settlement = await handle(delivery);
      if (settlement.type !== 'retry') return settlement;
      await new Promise<void>((resolve) => void clock.schedule(resolve, settlement.delay));
      return { ...settlement, delay: 0 };
    }),
  ),
  broken('lets a short retry wait behind a longer one', () => {
    let free = 0;
    return handling((handle, _, { clock }) => async (delivery) => {
      const settlement = await handle(delivery);
      if (settlement.type !== 'retry') return settlement;
      free = Math.max(free, clock.now() + settlement.delay);
      return { ...settlement, delay: free - clock.now() };
    });
  }),
  broken('returns what failed to the topic', () =>
    handling((handle, _s, _e, transport) => async (delivery) => {
      const settlement = await handle(delivery);
      if (settlement.type !== 'retry') return settlement;
      const { message } = delivery;
      await transport.publish({ ...message, delay: settlement.delay, ordered: false }, never).catch(() => {});
      return acknowledge;
    }),
  ),
  broken('keeps what waits for a retry in its own process', () =>
    around((transport, { clock }) => {
      let closed = false;
      return {
        subscribe(subscription, handle) {
          const attempt: typeof handle = async (delivery) => {
            const settlement = await handle(delivery);
            if (settlement.type !== 'retry') return settlement;
            if (subscription.ordered || settlement.delay === 0) return settlement;
            clock.schedule(() => {
              if (!closed) void attempt({ ...delivery, attempt: delivery.attempt + 1 });
            }, settlement.delay);
            return acknowledge;
          };
          return transport.subscribe(subscription, attempt);
        },
        close() {
          closed = true;
          return transport.close();
        },
      };
    }),
  ),
  broken('loses headers on the way to another attempt', () =>
    delivering((d) =>
      d.attempt > 1 ? { ...d, message: { ...d.message, headers: {}, version: undefined } } : d,
    ),
  ),
  broken('does not retry tasks', () =>
    settling((s, _, { source }) => (source.kind === 'queue' && s.type === 'retry' ? acknowledge : s)),
  ),
  broken('retries under the pattern’s name', () =>
    delivering((d, { source }) =>
      d.attempt > 1 ? { ...d, message: { ...d.message, destination: source } } : d,
    ),
  ),
  broken('delivers delayed messages at once', () => publishing((m) => ({ ...m, delay: 0 }))),
  broken('drops tasks that are delayed', () =>
    around((transport) => ({
      publish: async (m, signal) =>
        m.delay > 0 && m.destination.kind === 'queue' ? undefined : transport.publish(m, signal),
    })),
  ),
  broken('chooses the subscribers of a delayed message when it is published', () => {
    let count = 0;
    const published = new Map<string, number>();
    return around((transport) => ({
      publish(message, signal) {
        if (message.delay > 0) published.set(message.id, ++count);
        return transport.publish(message, signal);
      },
      subscribe(subscription, handle) {
        const mine = ++count;
        return transport.subscribe(subscription, async (delivery) =>
          mine > (published.get(delivery.message.id) ?? Number.POSITIVE_INFINITY)
            ? acknowledge
            : handle(delivery),
        );
      },
    }));
  }),
  broken('keeps delayed messages in its own process', () =>
    around((transport, { clock }) => {
      let closed = false;
      return {
        async publish(message, signal) {
          if (message.delay === 0) return transport.publish(message, signal);
          clock.schedule(() => {
            if (!closed) void transport.publish({ ...message, delay: 0 }, never).catch(() => {});
          }, message.delay);
        },
        close() {
          closed = true;
          return transport.close();
        },
      };
    }),
  ),
  broken('lets delayed messages that nobody wants hold up the others', () => {
    let unwanted = 0;
    return publishing((m) => {
      if (m.destination.name.endsWith('unwanted')) unwanted++;
      return m.delay > 0 ? { ...m, delay: m.delay + unwanted * 1_000 } : m;
    });
  }),
  broken('loses headers and conversation of delayed messages', () =>
    publishing((m) => (m.delay > 0 ? { ...m, headers: {}, correlationId: undefined } : m)),
  ),
];
