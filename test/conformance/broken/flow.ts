import type { Consumer, Settlement } from '@nest-messaging/core/contract';
import {
  acknowledge,
  around,
  broken,
  delivering,
  handling,
  later,
  subscribing,
  type Broken,
} from './breaking.js';

/** Defects in how much is handed over, in which order, and until when. */
export const brokenFlow: readonly Broken[] = [
  broken('hands messages over in no order', () =>
    around((transport) => ({
      subscribe(subscription, handle) {
        let odd = false;
        return transport.subscribe(subscription, async (delivery) => {
          odd = !odd;
          if (odd) await later();
          return handle(delivery);
        });
      },
    })),
  ),
  broken('lets the processes of a group compete for the messages of a key', () =>
    subscribing((s) => ({ ...s, ordered: false })),
  ),
  broken('returns released messages behind the others', () =>
    around((transport) => ({
      subscribe: (subscription, handle) =>
        transport.subscribe(subscription, async (delivery) => {
          const settlement = await handle(delivery);
          if (settlement.type !== 'release') return settlement;
          // Behind the others and with its attempts as they were, as a broker that requeues at the end.
          await later();
          void transport
            .publish({ ...delivery.message, delay: 1, ordered: true }, AbortSignal.timeout(1_000))
            .catch(() => {});
          return acknowledge;
        }),
    })),
  ),
  broken('returns what a gone process left in reverse', () => {
    let starts = 0;
    return around((transport) => ({
      subscribe(subscription, handle) {
        const fetched: (() => void)[] = [];
        let first = ++starts > 1 && subscription.ordered;
        return transport.subscribe(subscription, async (delivery) => {
          if (first) {
            if (fetched.length === 0)
              void later().then(() => {
                first = false;
                for (const hand of fetched.reverse()) hand();
              });
            await new Promise<void>((resolve) => fetched.push(resolve));
          }
          return handle(delivery);
        });
      },
    }));
  }),
  broken('hands over without bounds', () =>
    subscribing((s) => ({ ...s, maxUnsettled: Number.POSITIVE_INFINITY })),
  ),
  broken('hands over one more than allowed', () =>
    subscribing((s) => ({ ...s, maxUnsettled: s.maxUnsettled + 1 })),
  ),
  broken('loses a slot with each message that was not acknowledged', () =>
    around((transport) => ({
      subscribe(subscription, handle) {
        let lost = 0;
        return transport.subscribe(subscription, async (delivery) => {
          if (lost >= subscription.maxUnsettled) return new Promise<Settlement>(() => {});
          const settlement = await handle(delivery);
          if (settlement.type !== 'acknowledge') lost++;
          return settlement;
        });
      },
    })),
  ),
  broken('takes on after it was told to stop', () =>
    around((transport) => ({
      subscribe: async (s, h) => ({ ...(await transport.subscribe(s, h)), stop: async () => {} }),
    })),
  ),
  broken('stops without waiting for what is in hand', () =>
    around((transport) => ({
      async subscribe(s, h) {
        const consumer = await transport.subscribe(s, h);
        return {
          async stop() {
            void consumer.stop();
          },
        };
      },
    })),
  ),
  broken('stops all consumers when one stops', () =>
    around((transport) => {
      const all: Consumer[] = [];
      return {
        async subscribe(s, h) {
          all.push(await transport.subscribe(s, h));
          return { stop: async () => void (await Promise.all(all.map((one) => one.stop()))) };
        },
      };
    }),
  ),
  broken('fails when it is closed twice', () =>
    around((transport) => {
      let closed = false;
      return {
        async close() {
          if (closed) throw new Error('already closed');
          closed = true;
          await transport.close();
        },
      };
    }),
  ),
  broken('fails when it is closed before it was connected', () =>
    around((transport) => {
      let connected = false;
      return {
        async connect() {
          await transport.connect();
          connected = true;
        },
        async close() {
          if (!connected) throw new Error('not connected');
          await transport.close();
        },
      };
    }),
  ),
  broken('closes on top of what was decided', () =>
    handling((handle) => async (delivery) => {
      const settlement = await handle(delivery);
      await later();
      return settlement;
    }),
  ),
  broken('acknowledges what is in hand when it closes', () =>
    around((transport) => {
      const inHand = new Set<(settlement: Settlement) => void>();
      return {
        subscribe: (s, h) =>
          transport.subscribe(
            s,
            (delivery) =>
              new Promise((resolve) => {
                inHand.add(resolve);
                void h(delivery).then((settlement) => {
                  inHand.delete(resolve);
                  resolve(settlement);
                });
              }),
          ),
        close() {
          for (const resolve of inHand) resolve(acknowledge);
          return transport.close();
        },
      };
    }),
  ),
  broken('hands over what it had fetched, after it was closed', () =>
    around((transport) => {
      const fetched: (() => void)[] = [];
      return {
        subscribe(s, h) {
          let inHand = 0;
          return transport.subscribe({ ...s, maxUnsettled: s.maxUnsettled + 2 }, async (delivery) => {
            if (inHand >= s.maxUnsettled) await new Promise<void>((resolve) => fetched.push(resolve));
            inHand++;
            const settlement = await h(delivery);
            inHand--;
            fetched.shift()?.();
            return settlement;
          });
        },
        async close() {
          await transport.close();
          for (const hand of fetched.splice(0)) hand();
        },
      };
    }),
  ),
  broken('closes every application when one closes', () => {
    const all: (() => Promise<void>)[] = [];
    return around((transport) => {
      all.push(() => transport.close());
      return { close: async () => void (await Promise.all(all.map((close) => close()))) };
    });
  }),
  broken('shares one copy of a body among the groups', () => {
    const bodies = new Map<string, Uint8Array>();
    return delivering((delivery) => {
      const { id, body } = delivery.message;
      if (!bodies.has(id)) bodies.set(id, body);
      return { ...delivery, message: { ...delivery.message, body: bodies.get(id)! } };
    });
  }),
];
