import { TopologyError } from '@nest-messaging/core/contract';
import { networkedUnderTest, unreachable } from '../memory-under-test.js';
import { around, broken, subscribing, type Broken } from './breaking.js';
import { brokenEngine } from './engine.js';

/** Defects in connections, health and topology. */
export const brokenSurroundings: readonly Broken[] = [
  {
    name: 'never reconnects',
    create: () => networkedUnderTest(undefined, { everything: true }),
  },
  {
    name: 'forgets its consumers when the connection is cut',
    create: () => networkedUnderTest(undefined, { consumers: true }),
  },
  {
    name: 'forgets its broadcasts when the connection is cut',
    create: () => networkedUnderTest(undefined, { broadcasts: true }),
  },
  {
    name: 'waits for ever to subscribe while the broker is away',
    create: () => networkedUnderTest(undefined, { limits: true }),
  },
  {
    name: 'says that it is ready while the broker is away',
    create: () => networkedUnderTest(undefined, { health: true }),
  },
  {
    name: 'says that it is ready without its queue',
    create: () => networkedUnderTest(undefined, { vanished: true }),
  },
  brokenEngine('forgets what was wrong', (engine) => ({
    async health() {
      const health = await engine.health();
      return {
        ...health,
        parts: health.parts.map(({ lastError, ...part }) => (part.ready ? part : { ...part, lastError })),
      };
    },
  })),
  broken('says that nothing waits', () => around(() => ({ backlog: async () => 0 }))),
  broken('does not say how much waits', () => around(() => ({ backlog: undefined }))),
  {
    name: 'does not report a lost connection',
    create: () => networkedUnderTest(undefined, { report: true }),
  },
  {
    name: 'tells the password of a broker that cannot be reached',
    create: () =>
      networkedUnderTest(undefined, undefined, {
        unreachable: unreachable('cannot reach amqp://user:s3cret@nowhere.example:5672'),
      }),
  },
  {
    name: 'does not name the broker that cannot be reached',
    create: () => networkedUnderTest(undefined, undefined, { unreachable: unreachable('ECONNREFUSED') }),
  },
  {
    name: 'waits for ever for a broker that cannot be reached',
    create() {
      const { broker, ...names } = unreachable('');
      return networkedUnderTest(undefined, undefined, {
        unreachable: {
          ...names,
          broker: {
            ...broker,
            open: (its) => ({ ...broker.open(its), connect: () => new Promise(() => {}) }),
          },
        },
      });
    },
  },
  broken('is always ready', () =>
    around((transport) => ({ health: async () => ({ ...(await transport.health()), ready: true }) })),
  ),
  broken('does not say why it is not ready', () =>
    around((transport) => ({
      async health() {
        const { ready, parts } = await transport.health();
        return { ready, parts: parts.map((part) => ({ name: part.name, ready: part.ready })) };
      },
    })),
  ),
  broken('has one part for everything', () =>
    around((transport) => ({
      async health() {
        const { ready, parts } = await transport.health();
        return { ready, parts: parts.slice(0, 1) };
      },
    })),
  ),
  broken('reports nothing', () => (broker) => ({
    name: broker.name,
    open: (environment) => broker.open({ ...environment, report: () => {} }),
  })),
  broken('creates what it was told only to use', () => (broker) => ({
    name: broker.name,
    open: (environment) => broker.open({ ...environment, topology: 'create' }),
  })),
  broken('refuses whatever it may not create', () =>
    around((transport, { topology }) => ({
      async subscribe(subscription, handle) {
        if (topology !== 'create') throw new TopologyError(`${subscription.source.name} cannot be created`);
        return transport.subscribe(subscription, handle);
      },
    })),
  ),
  broken('does not name what is missing', () =>
    around((transport) => ({
      subscribe: (subscription, handle) =>
        transport.subscribe(subscription, handle).catch((error: unknown) => {
          throw error instanceof TopologyError ? new TopologyError('something is missing') : error;
        }),
    })),
  ),
  broken('makes a subscription anew when one of its options changes', () =>
    subscribing((s) => ({ ...s, group: `${s.group}-${s.maxUnsettled}` })),
  ),
  broken('refuses a subscription that another start has made', () => {
    const made = new Map<string, number>();
    return around((transport) => ({
      async subscribe(s, handle) {
        const key = `${s.group} ${s.source.name}`;
        if ((made.get(key) ?? s.maxUnsettled) !== s.maxUnsettled)
          throw new TopologyError(`${key} exists with other arguments`);
        made.set(key, s.maxUnsettled);
        return transport.subscribe(s, handle);
      },
    }));
  }),
  broken('ignores options that it does not know', () =>
    subscribing((s) => ({ ...s, brokerOptions: undefined })),
  ),
];
