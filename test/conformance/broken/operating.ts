import {
  describeSubscription,
  TopologyError,
  type Consumer,
  type SubscriptionId,
  type Transport,
} from '@nest-messaging/core/contract';
import type { Engine } from '@nest-messaging/core/engine';
import { acknowledge, around, broken, delivering, type Broken } from './breaking.js';
import { brokenEngine } from './engine.js';

/** Changes how the transport replays. */
const replaying = (change: (replay: NonNullable<Transport['replay']>) => NonNullable<Transport['replay']>) =>
  around((transport) => ({ replay: change((...about) => transport.replay!(...about)) }));

/** Changes what the engine does to subscriptions. */
const operating = (
  name: string,
  change: (subscriptions: Engine['subscriptions'], engine: Engine) => Partial<Engine['subscriptions']>,
): Broken =>
  brokenEngine(name, (engine) => ({
    subscriptions: { ...engine.subscriptions, ...change(engine.subscriptions, engine) },
  }));

/** Defects in pausing, resuming and replaying. */
export const brokenOperation: readonly Broken[] = [
  operating('pauses nothing', () => ({ pause: async () => {} })),
  operating('cannot resume', () => ({ resume: async () => {} })),
  operating('pauses without waiting', (subscriptions) => ({
    async pause(id) {
      void subscriptions.pause(id);
    },
  })),
  operating('pauses whatever it is told to', (subscriptions) => ({
    pause: (id) => subscriptions.pause(id).catch(() => {}),
  })),
  brokenEngine('takes what is paused for lost', (engine) => ({
    async health() {
      const health = await engine.health();
      const told = health.parts.map(({ paused, ...part }) => ({ ...part, ready: !paused }));
      return { ...health, ready: told.every(({ ready }) => ready), parts: told };
    },
  })),
  brokenEngine('says nothing of what is paused', (engine) => ({
    async health() {
      const health = await engine.health();
      return { ...health, parts: health.parts.filter(({ paused }) => !paused) };
    },
  })),
  operating('watches no circuit', () => ({ pauseWhileOpen: () => () => {} })),
  operating('changes no concurrency', () => ({ resize: async () => {} })),
  broken('has as much in hand as it began with, whatever it is told', () =>
    around((transport) => ({
      async subscribe(...about) {
        return { ...(await transport.subscribe(...about)), resize() {} };
      },
    })),
  ),
  broken('changes nothing of a consumer that runs', () =>
    around((transport) => ({
      subscribe: async (...about) => ({ ...(await transport.subscribe(...about)), resize: undefined }),
    })),
  ),
  broken('stops the consumers of other processes with its own', () => {
    const all = new Map<string, Consumer[]>();
    return around((transport) => ({
      async subscribe(subscription, handle) {
        const name = describeSubscription(subscription);
        const consumer = await transport.subscribe(subscription, handle);
        const together = [...(all.get(name) ?? []), consumer];
        all.set(name, together);
        return {
          stop: async () => void (await Promise.all(all.get(name)!.map((one) => one.stop()))),
        };
      },
    }));
  }),
  broken('replays nothing', () => replaying(() => async () => {})),
  broken('replays all there is, whatever the time', () =>
    replaying((replay) => (subscription) => replay(subscription, 'beginning')),
  ),
  broken('counts on where a replayed message left off', () => {
    const seen = new Map<string, number>();
    return delivering((delivery) => {
      const times = (seen.get(delivery.message.id) ?? 0) + 1;
      seen.set(delivery.message.id, times);
      return { ...delivery, attempt: times };
    });
  }),
  broken('replays to every group', () => {
    const known = new Map<string, SubscriptionId>();
    return around((transport) => ({
      subscribe(subscription, handle) {
        known.set(describeSubscription(subscription), subscription);
        return transport.subscribe(subscription, handle);
      },
      async replay(subscription, from) {
        await transport.replay!(subscription, from);
        for (const other of known.values())
          if (other.group !== subscription.group) await transport.replay!(other, from);
      },
    }));
  }),
  broken('skips what is still to be handled in a replay', () => {
    let skipped = Number.NEGATIVE_INFINITY;
    return around((transport) => ({
      subscribe: (subscription, handle) =>
        transport.subscribe(subscription, async (delivery) =>
          (delivery.message.publishedAt ?? 0) < skipped ? acknowledge : handle(delivery),
        ),
      async replay(subscription, from) {
        await transport.replay!(subscription, from);
        if (from !== 'beginning') skipped = from;
      },
    }));
  }),
  broken('replays beneath consumers that run, and what does not exist', () =>
    replaying((replay) => async (...about) => {
      await replay(...about).catch(() => {});
    }),
  ),
  broken('does not say what keeps a replay from beginning', () =>
    replaying((replay) => async (...about) => {
      await replay(...about).catch(() => {
        throw new TopologyError('not now');
      });
    }),
  ),
  operating('leaves a subscription without its consumer when its replay is refused', (subscriptions) => ({
    replay: (id, from) =>
      subscriptions.replay(id, from).catch(async (error: unknown) => {
        await subscriptions.pause(id);
        throw error;
      }),
  })),
  operating('resumes what was paused when it has replayed', (subscriptions) => ({
    async replay(id, from) {
      await subscriptions.replay(id, from);
      await subscriptions.resume(id);
    },
  })),
  operating('replays its own subscriptions alone', (subscriptions) => ({
    async replay(id, from) {
      await subscriptions.pause(id);
      await subscriptions.resume(id);
      await subscriptions.replay(id, from);
    },
  })),
];
