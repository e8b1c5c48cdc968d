import type { Planner, Subscription, SubscriptionPlan, Transport } from '@nest-messaging/core/contract';
import { acknowledge, around, broken, type Break, type Broken } from './breaking.js';

const planning = (change: (planner: Planner, transport: Transport) => Partial<Planner>): Break =>
  around((transport) => ({ planner: { ...transport.planner, ...change(transport.planner, transport) } }));

/** Changes what is planned of each subscription. */
const planningEach = (
  name: string,
  change: (plan: SubscriptionPlan, subscription: Subscription) => Partial<SubscriptionPlan>,
): Broken =>
  broken(name, () =>
    planning(({ subscription: plan }) => ({
      subscription(subscription) {
        const planned = plan(subscription);
        return { ...planned, ...change(planned, subscription) };
      },
    })),
  );

/** Defects in planning. */
export const brokenPlanning: readonly Broken[] = [
  planningEach('plans what it does not make', ({ resources }) => ({
    resources: [...resources, { kind: 'queue', name: 'nobody-makes-it', made: 'at start' }],
  })),
  planningEach('makes what it does not plan', () => ({ resources: [] })),
  planningEach('plans to do what it cannot', ({ means }) => ({
    means: { ...means, deaths: { support: 'native', how: 'it counts' } },
  })),
  planningEach('does not say how it does what it plans', ({ means }) => ({
    means: { ...means, ordered: { support: 'native', how: '' } },
  })),
  broken('plans to delay nothing, and does', () =>
    planning(({ delays }) => ({ delays: () => ({ ...delays(), support: false }) })),
  ),
  broken('plans nothing before it is connected', () =>
    around((transport) => {
      let connected = false;
      const { planner } = transport;
      return {
        planner: {
          ...planner,
          subscription(subscription) {
            if (!connected) throw new Error('not connected');
            return planner.subscription(subscription);
          },
        },
        async connect() {
          await transport.connect();
          connected = true;
        },
      };
    }),
  ),
  broken('makes what it is asked to plan', () => {
    const asked: Subscription[] = [];
    return around((transport) => ({
      planner: {
        ...transport.planner,
        subscription(subscription) {
          asked.push(subscription);
          return transport.planner.subscription(subscription);
        },
      },
      async connect() {
        await transport.connect();
        for (const subscription of asked.splice(0))
          await transport.subscribe(subscription, async () => acknowledge);
      },
    }));
  }),
  broken('establishes nothing', () => around(() => ({ establish: async () => {} }))),
  broken('handles what it is asked to establish', () =>
    around((transport) => ({
      async establish({ subscriptions }) {
        for (const subscription of subscriptions)
          await transport.subscribe(subscription, async () => acknowledge);
      },
    })),
  ),
  broken('finds no fault with anything', () => around(() => ({ examine: async () => [] }))),
  broken('finds fault with what is there', () =>
    around((transport) => ({
      examine: async (...about) => [
        ...(await transport.examine(...about)),
        { level: 'trouble', about: 'queue', message: 'is not as it should be' },
      ],
    })),
  ),
  broken('makes what it examines', () => (broker) => ({
    name: broker.name,
    open(environment) {
      const transport = broker.open(environment);
      return {
        ...transport,
        async examine(usage) {
          const findings = await transport.examine(usage);
          const making = broker.open({ ...environment, topology: 'create' });
          await making.connect();
          await making.establish(usage);
          await making.close();
          return findings;
        },
      };
    },
  })),
  broken('plans what it will refuse', () =>
    planning(({ subscription: plan }) => ({
      subscription: (subscription) => plan({ ...subscription, brokerOptions: undefined }),
    })),
  ),
];
