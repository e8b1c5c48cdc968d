import type { OutgoingMessage } from '@nest-messaging/core/contract';
import { isPattern, matches } from '@nest-messaging/core/contract';
import {
  acknowledge,
  around,
  broken,
  handling,
  never,
  publishing,
  settling,
  subscribing,
  type Broken,
} from './breaking.js';

let processes = 0;

/** Defects in who gets a message: groups, queues, broadcast, patterns. */
export const brokenDistribution: readonly Broken[] = [
  broken('merges all groups into one', () => subscribing((s) => ({ ...s, group: 'all' }))),
  broken('gives every process of a group every message', () =>
    around((transport) => {
      const process = `p${++processes}`;
      return {
        subscribe: (s, handle) =>
          transport.subscribe(
            { ...s, group: s.source.kind === 'queue' ? s.group : `${s.group}-${process}` },
            handle,
          ),
      };
    }),
  ),
  broken('gives all the work to the first process of a group', () => {
    const taken = new Set<string>();
    return around((transport) => {
      const mine = new Set<string>();
      return {
        async subscribe(s, handle) {
          const key = JSON.stringify([s.source, s.source.kind === 'queue' ? '' : s.group]);
          if (s.broadcast || !taken.has(key) || mine.has(key)) {
            taken.add(key);
            mine.add(key);
            return transport.subscribe(s, handle);
          }
          return { stop: async () => {} };
        },
        close() {
          for (const key of mine) taken.delete(key);
          return transport.close();
        },
      };
    });
  }),
  broken('makes a group’s name of the service’s', () =>
    subscribing((s, { service }) => ({ ...s, group: `${s.group}${service.slice(-3)}` })),
  ),
  broken('forgets a group whose last process goes', () =>
    subscribing((s) => (s.source.kind === 'queue' ? s : { ...s, broadcast: true })),
  ),
  broken('gives new groups all that was ever published', () => {
    const history: OutgoingMessage[] = [];
    const known = new Set<string>();
    return around((transport) => ({
      publish(message, signal) {
        history.push(message);
        return transport.publish(message, signal);
      },
      async subscribe(s, handle) {
        const consumer = await transport.subscribe(s, handle);
        const key = JSON.stringify([s.source.name, s.group]);
        if (s.source.kind === 'topic' && !known.has(key))
          for (const message of history)
            if (message.delay === 0 && matches(s.source.name, message.destination.name))
              void handle({ message, attempt: 1, deaths: 0, raw: undefined });
        known.add(key);
        return consumer;
      },
    }));
  }),
  broken('leaks topics into subscriptions to others', () =>
    subscribing((s) =>
      s.source.kind === 'topic' && !isPattern(s.source.name)
        ? { ...s, source: { kind: 'topic', name: `${s.source.name}.#` } }
        : s,
    ),
  ),
  broken('hands over one message at a time, whatever the group', () =>
    around((transport) => {
      let last: Promise<unknown> = Promise.resolve();
      return {
        subscribe: (s, handle) =>
          transport.subscribe(s, (delivery) => {
            const mine = last.then(() => handle(delivery));
            last = mine;
            return mine;
          }),
      };
    }),
  ),
  broken('treats a queue as a topic', () =>
    around((transport) => ({
      publish: (message, signal) =>
        transport.publish(
          message.destination.kind === 'queue'
            ? { ...message, destination: { kind: 'topic', name: `${message.destination.name}.q` } }
            : message,
          signal,
        ),
      subscribe: (s, handle) =>
        s.source.kind === 'queue'
          ? transport.subscribe({ ...s, source: { kind: 'topic', name: `${s.source.name}.q` } }, (delivery) =>
              handle({ ...delivery, message: { ...delivery.message, destination: s.source } }),
            )
          : transport.subscribe(s, handle),
    })),
  ),
  broken('drops tasks while their queue has no worker', () => {
    const worked = new Set<string>();
    return around((transport) => ({
      async publish(message, signal) {
        if (message.destination.kind === 'queue' && !worked.has(message.destination.name)) return;
        await transport.publish(message, signal);
      },
      subscribe(s, handle) {
        worked.add(s.source.name);
        return transport.subscribe(s, handle);
      },
    }));
  }),
  broken('gives every service a queue of its own', () =>
    around((transport, { service }) => {
      const own = (name: string): string => `${name}.${service.slice(-6)}`;
      return {
        publish: (message, signal) =>
          transport.publish(
            message.destination.kind === 'queue'
              ? { ...message, destination: { kind: 'queue', name: own(message.destination.name) } }
              : message,
            signal,
          ),
        subscribe: (s, handle) =>
          transport.subscribe(
            s.source.kind === 'queue' ? { ...s, source: { kind: 'queue', name: own(s.source.name) } } : s,
            (delivery) => handle({ ...delivery, message: { ...delivery.message, destination: s.source } }),
          ),
      };
    }),
  ),
  broken('sends tasks to the topic of the queue’s name too', () =>
    around((transport) => ({
      async publish(message, signal) {
        await transport.publish(message, signal);
        if (message.destination.kind === 'queue')
          await transport.publish(
            { ...message, destination: { ...message.destination, kind: 'topic' } },
            signal,
          );
      },
    })),
  ),
  broken('shares a broadcast among its processes', () =>
    subscribing((s) => (s.broadcast ? { ...s, broadcast: false, group: 'broadcast' } : s)),
  ),
  broken('stops every broadcast when one stops', () => {
    const all: (() => Promise<void>)[] = [];
    return around((transport) => ({
      async subscribe(s, handle) {
        const consumer = await transport.subscribe(s, handle);
        if (!s.broadcast) return consumer;
        all.push(() => consumer.stop());
        return { stop: async () => void (await Promise.all(all.map((stop) => stop()))) };
      },
    }));
  }),
  broken('hands a broadcast’s message over until it is acknowledged', () =>
    settling((settlement, _, { broadcast }) =>
      broadcast && settlement.type === 'dead-letter' ? { type: 'release' } : settlement,
    ),
  ),
  broken('drops a broadcast’s message that is released', () =>
    settling((settlement, _, { broadcast }) =>
      broadcast && settlement.type === 'release' ? acknowledge : settlement,
    ),
  ),
  broken('hands over nothing of a broadcast', () =>
    handling((handle, { broadcast }) => (broadcast ? async () => acknowledge : handle)),
  ),
  ...(
    [
      ['takes `*` for any number of words', (name: string) => name.replaceAll('*', '#')],
      ['takes `#` for one word', (name: string) => name.replaceAll('#', '*')],
      ['takes a wildcard at the end for any rest', (name: string) => name.replace(/\.[*#].*$/, '.#')],
      ['ignores wildcards', (name: string) => name.replaceAll(/[*#]/g, 'x')],
    ] as const
  ).map(([name, change]) =>
    broken(name, () => subscribing((s) => ({ ...s, source: { ...s.source, name: change(s.source.name) } }))),
  ),
  broken('requires a word for `#`', () =>
    handling((handle, { source }) => {
      const strict = source.name.replaceAll('#', '*.#');
      return async (delivery) =>
        matches(strict, delivery.message.destination.name) ? handle(delivery) : acknowledge;
    }),
  ),
  broken('says which pattern let a message through, not its topic', () =>
    handling(
      (handle, { source }) =>
        (delivery) =>
          handle({ ...delivery, message: { ...delivery.message, destination: source } }),
    ),
  ),
  broken('delivers once for every way in which a pattern fits', () =>
    handling((handle, { source }) => async (delivery) => {
      if (source.name.split('#').length > 2) void handle(delivery);
      return handle(delivery);
    }),
  ),
  broken('takes a topic and a pattern of one group for one subscription', () => {
    const groups = new Map<string, string>();
    return handling((handle, { group, source }) => {
      const first = groups.get(group) ?? source.name;
      groups.set(group, first);
      return first === source.name || source.kind === 'queue' ? handle : async () => acknowledge;
    });
  }),
  broken('publishes dead letters where patterns match them', () =>
    handling((handle, _s, _e, transport) => async (delivery) => {
      const settlement = await handle(delivery);
      if (settlement.type === 'dead-letter') {
        const { message } = delivery;
        const name = `${message.destination.name}.dead`;
        const copy = {
          ...message,
          destination: { kind: 'topic', name },
          delay: 0,
          ordered: false,
        } as const;
        await transport.publish(copy, never).catch(() => {});
      }
      return settlement;
    }),
  ),
  broken('knows no namespaces', () => (broker) => ({
    name: broker.name,
    open: (environment) => broker.open({ ...environment, namespace: undefined }),
  })),
  broken('makes the namespace part of the topic that handlers see', () =>
    handling((handle, _, { namespace }) => (delivery) => {
      const { destination } = delivery.message;
      const name = namespace === undefined ? destination.name : `${namespace}.${destination.name}`;
      return handle({
        ...delivery,
        message: { ...delivery.message, destination: { ...destination, name } },
      });
    }),
  ),
  broken('cuts long names', () =>
    publishing((message) => ({
      ...message,
      destination: { ...message.destination, name: message.destination.name.slice(0, 30) },
    })),
  ),
];
