import { describe, expect, it } from '@jest/globals';
import { Injectable, Module, Scope, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  ConfigurationError,
  ConnectionError,
  defineEvent,
  memory,
  MessageContext,
  MessagingExplorer,
  MessagingModule,
  OnEvent,
  OnQueue,
  TopologyError,
  UnsupportedError,
  type Broker,
  type ExaminedConnection,
  type MessagingModuleOptions,
} from '@nest-messaging/core';
import { compile } from '../support/application.js';

const OrderPlaced = defineEvent<{ id: string }>('order.placed', {
  key: ({ id }) => id,
  ordered: true,
  version: '2',
});
const Invoice = defineEvent('invoice.print');

/** Compiled and never started: no hook has run, and nothing is connected. */
async function explorerOf(
  providers: Type[],
  options: MessagingModuleOptions = { service: 'billing', namespace: 'shop' },
  imports: Type[] = [],
): Promise<MessagingExplorer> {
  const app = await compile({ providers, imports }, options);
  return app.get(MessagingExplorer);
}

/** A broker that cannot do what memory can, and may not be connected to. */
const lesser = (): Broker => ({
  name: 'lesser',
  open: (environment) => {
    const transport = memory().open(environment);
    return {
      ...transport,
      name: 'lesser',
      capabilities: { ...transport.capabilities, ordered: false, patterns: false, broadcast: false },
      connect: () => Promise.reject(new Error('it was connected to')),
    };
  },
});

@Injectable()
class Billing {
  @OnEvent(OrderPlaced, { retry: { attempts: 3, backoff: { initial: '1s', jitter: 0 } } })
  bill(): void {}

  @OnEvent('order.*', { group: 'audit', retry: { attempts: 1 } })
  audit(): void {}

  @OnEvent('cache.cleared', { broadcast: true })
  clear(): void {}

  @OnQueue(Invoice, { batch: { size: 10, wait: '2s' } })
  print(): void {}
}

describe('An application that was never started', () => {
  it('tells each handler, its subscription, and how each of its needs is met', async () => {
    const { connections, refusals } = (await explorerOf([Billing])).explain();
    expect(refusals).toEqual([]);
    expect(connections).toEqual([
      expect.objectContaining({
        connection: 'default',
        broker: 'memory',
        service: 'billing',
        namespace: 'shop',
        topology: 'create',
      }),
    ]);
    const needs = (at: number) =>
      connections[0]!.handlers[at]!.needs.map(({ need, given }) => `${need}: ${given}`);
    expect(connections[0]!.handlers).toMatchObject([
      {
        handler: 'Billing.bill',
        source: { kind: 'topic', name: 'order.placed' },
        group: 'billing',
        subscription: 'shop.billing.order.placed',
        version: '2',
        refusals: [],
      },
      { handler: 'Billing.audit', group: 'audit', subscription: 'shop.audit.order.*' },
      { handler: 'Billing.clear', subscription: 'shop.billing.cache.cleared' },
      { handler: 'Billing.print', source: { kind: 'queue' }, subscription: 'shop.invoice.print' },
    ]);
    expect(needs(0)).toEqual(['order: native', 'delay: native', 'retries: emulated', 'crashes: not given']);
    const [, delay, retries] = connections[0]!.handlers[0]!.needs;
    expect(delay!.how).toBe('a timer each; 7 days at most');
    expect(retries!.how).toBe(
      '3 attempts within 3 s, in the process that has the message, which holds up its key alone',
    );
    expect(needs(1)).toEqual(['pattern: native', 'delay: native', 'crashes: not given']);
    expect(needs(2)).toEqual([
      'broadcast: native',
      'delay: native',
      'retries: emulated',
      'crashes: not given',
    ]);
    expect(needs(3)).toEqual(['batch: emulated', 'delay: native', 'retries: native', 'crashes: not given']);
  });

  it('tells what the module and its features say they publish, each once', async () => {
    @Module({
      imports: [
        MessagingModule.forFeature({ publishes: [OrderPlaced, 'order.paid'] }),
        MessagingModule.forFeature({ enqueues: ['report'], connection: 'other' }),
      ],
    })
    class Feature {}
    const explorer = await explorerOf(
      [],
      {
        service: 'billing',
        publishes: ['order.paid', 'order.placed'],
        enqueues: [Invoice],
        connections: { other: { publishes: ['other.event'] } },
      },
      [Feature],
    );
    const published = explorer
      .explain()
      .connections.map(({ publications }) =>
        publications.map(({ destination, ordered }) => [destination.kind, destination.name, ordered]),
      );
    expect(published).toEqual([
      [
        ['topic', 'order.paid', false],
        ['topic', 'order.placed', false],
        ['queue', 'invoice.print', false],
        ['topic', 'order.placed', true],
      ],
      [
        ['topic', 'other.event', false],
        ['queue', 'report', false],
      ],
    ]);
  });

  it('tells how long a delay of what is published may be, by what its broker can and the module allows', async () => {
    const delays = async (maxDelay: number, support: false | 'native' = 'native') => {
      const broker: Broker = {
        name: 'lesser',
        open: (environment) => {
          const transport = memory().open(environment);
          const { planner, capabilities } = transport;
          return {
            ...transport,
            capabilities: { ...capabilities, maxDelay },
            planner: { ...planner, delays: () => ({ ...planner.delays(), support }) },
          };
        },
      };
      const explorer = await explorerOf([], { service: 'billing', broker, publishes: ['order.placed'] });
      return explorer.explain().connections[0]!.publications[0]!.needs;
    };
    expect(await delays(Infinity)).toEqual([
      { need: 'delay', given: 'native', how: 'a timer each; 7 days at most' },
    ]);
    expect(await delays(900_000)).toMatchObject([{ how: 'a timer each; 15 min at most' }]);
    expect(await delays(0, false)).toEqual([{ need: 'delay', given: 'not given', how: 'a timer each' }]);
  });

  it('tells every reason for which it would not start, where starting tells the first alone', async () => {
    @Injectable()
    class Rival {
      @OnEvent(OrderPlaced)
      bill(): void {}

      @OnEvent('a.b', { connection: 'nowhere' })
      lost(): void {}

      @OnEvent('c', { concurency: 5 } as object)
      mistyped(): void {}

      @OnQueue('work', { broadcast: true, group: 'g' })
      senseless(): void {}
    }
    @Injectable({ scope: Scope.TRANSIENT })
    class Fleeting {
      @OnEvent('d')
      handle(): void {}
    }
    @Module({ imports: [MessagingModule.forFeature({ publishes: ['bad topic'], connection: 'default' })] })
    class Feature {}
    const explorer = await explorerOf([Billing, Rival, Fleeting], { service: 'billing', broker: lesser() }, [
      Feature,
    ]);
    const { refusals } = explorer.explain();
    expect(refusals.map(({ of, code, message }) => [of, code, message])).toEqual([
      ['Fleeting.handle', 'REGISTRATION', expect.stringContaining('transient')],
      ['Rival.lost', 'CONFIGURATION', expect.stringContaining("the connection 'nowhere': valid are default")],
      ['Billing.bill', 'UNSUPPORTED', expect.stringContaining('needs order, which lesser cannot give')],
      ['Billing.audit', 'UNSUPPORTED', expect.stringContaining('needs a pattern, which lesser cannot give')],
      ['Billing.clear', 'UNSUPPORTED', expect.stringContaining('needs broadcast')],
      ['Rival.bill', 'UNSUPPORTED', expect.stringContaining('needs order')],
      ['Rival.bill', 'REGISTRATION', expect.stringContaining('Billing.bill and Rival.bill both handle')],
      ['Rival.mistyped', 'CONFIGURATION', expect.stringContaining('concurency')],
      ['Rival.senseless', 'REGISTRATION', expect.stringContaining("gives group 'g' to queue 'work'")],
      ['Rival.senseless', 'REGISTRATION', expect.stringContaining('asks for broadcast')],
      ['Rival.senseless', 'UNSUPPORTED', expect.stringContaining('needs broadcast')],
      ["topic 'bad topic'", 'CONFIGURATION', expect.stringContaining('bad topic')],
    ]);
  });

  it('refuses with the words of starting it', async () => {
    const app = await compile(
      { providers: [Billing] },
      { service: 'billing', broker: lesser(), namespace: 'shop' },
    );
    const [first] = app.get(MessagingExplorer).explain().refusals;
    await expect(app.init()).rejects.toThrow(first!.message);
  });

  it.each([
    ['a name that cannot be', { publishes: ['bad topic'] }, /holds "bad topic": expected words/],
    [
      'a connection that is not there',
      { publishes: ['a'], connection: 'nowhere' },
      /the connection 'nowhere': valid are default/,
    ],
  ])(
    'is refused, neither starts nor is made, where it says that it publishes to %s',
    async (_, feature, why) => {
      @Module({ imports: [MessagingModule.forFeature(feature)] })
      class Feature {}
      const app = await compile({ imports: [Feature] });
      const [refusal] = app.get(MessagingExplorer).explain().refusals;
      expect(refusal!.message).toMatch(why);
      for (const begin of [() => app.get(MessagingExplorer).establish(), () => app.init()]) {
        const error = await begin().catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(ConfigurationError);
        expect(error).toMatchObject({ message: refusal!.message });
      }
    },
  );

  it('is refused with the error itself, whose words alone are explained', async () => {
    const error = new TopologyError('the exchange is another', { cause: new Error('406'), retryable: true });
    const broker: Broker = {
      name: 'lesser',
      open: (environment) => {
        const transport = memory().open(environment);
        const publication = () => {
          throw error;
        };
        return { ...transport, planner: { ...transport.planner, publication } };
      },
    };
    const app = await compile({}, { service: 'billing', broker, publishes: ['order.placed'] });
    const explorer = app.get(MessagingExplorer);
    expect(JSON.parse(JSON.stringify(explorer.explain().refusals))).toEqual([
      { of: "topic 'order.placed'", code: 'TOPOLOGY', message: 'the exchange is another' },
    ]);
    await expect(explorer.establish()).rejects.toBe(error);
    await expect(app.init()).rejects.toBe(error);
  });

  it('is explained the same when it has started', async () => {
    const app = await compile({ providers: [Billing] }, { service: 'billing' });
    const before = app.get(MessagingExplorer).explain();
    await app.init();
    expect(app.get(MessagingExplorer).explain()).toEqual(before);
    await app.close();
  });
});

describe('What an application needs', () => {
  it('can be made on its broker before it starts, whatever its own topology', async () => {
    const options = { service: 'billing', topology: 'validate', broker: memory() } as const;
    const refused = await compile({ providers: [Billing] }, options);
    await expect(refused.init()).rejects.toThrow(/does not exist/);
    const app = await compile({ providers: [Billing] }, options);
    const explorer = app.get(MessagingExplorer);
    const levels = async () => {
      const [{ connection, broker, findings }] = (await explorer.examine()) as [ExaminedConnection];
      return { connection, broker, levels: [...new Set(findings.map(({ level }) => level))] };
    };
    expect(await levels()).toEqual({ connection: 'default', broker: 'memory', levels: ['trouble'] });
    await explorer.establish();
    expect(await levels()).toEqual({ connection: 'default', broker: 'memory', levels: ['fine'] });
    await app.init();
    await app.close();
  });

  it('is not made where something is refused, nor on a connection that is not there', async () => {
    const explorer = await explorerOf([Billing], { service: 'billing', broker: lesser() });
    await expect(explorer.establish()).rejects.toThrow(UnsupportedError);
    await expect(explorer.establish('nowhere')).rejects.toThrow(/valid are default/);
  });

  it('cannot be looked at where the broker cannot be reached, which is trouble', async () => {
    const unreachable: Broker = {
      name: 'away',
      open: (environment) => ({
        ...memory().open(environment),
        name: 'away',
        connect: () => Promise.reject(new ConnectionError('nothing listens at nowhere:1')),
      }),
    };
    const explorer = await explorerOf([Billing], { service: 'billing', broker: unreachable });
    const [{ findings }] = (await explorer.examine('default')) as [ExaminedConnection];
    expect(findings).toEqual([{ level: 'trouble', about: 'away', message: 'nothing listens at nowhere:1' }]);
  });
});

describe('The class of a payload', () => {
  class Order {}
  class Address {}
  @Injectable()
  class Handlers {
    @OnEvent('plain')
    plain(_order: Order, _about: MessageContext): void {}

    @OnEvent('turned')
    turned(@Ctx() _about: MessageContext, @Payload() _order: Order): void {}

    @OnEvent('part')
    part(@Payload('address') _address: Address): void {}

    @OnEvent('none')
    none(): void {}
  }

  it('is that of the parameter that is the whole of it, wherever that stands', async () => {
    const payloads = (await explorerOf([Handlers])).payloads();
    expect(payloads.map(({ destination, type }) => [destination.name, type])).toEqual([
      ['plain', Order],
      ['turned', Order],
      ['part', undefined],
      ['none', undefined],
    ]);
  });
});

describe('An explanation', () => {
  it('is plain data', async () => {
    const explanation = (await explorerOf([Billing])).explain();
    expect(JSON.parse(JSON.stringify(explanation))).toMatchObject({ refusals: [] });
  });

  it('is a table for a terminal, which says how each need is met', async () => {
    const table = (
      await explorerOf([Billing], { service: 'billing', namespace: 'shop', publishes: [OrderPlaced] })
    ).table();
    expect(table).toMatch(/^connection default: memory, service billing, namespace shop, topology create\n/);
    expect(table).toMatch(
      /Billing\.bill +topic order\.placed +billing +shop\.billing\.order\.placed +order: native, delay: native, retries: emulated/,
    );
    expect(table).toMatch(/topic order\.placed +nothing of its own +delay: native/);
    expect(table).toMatch(/delay +native +a timer each; 7 days at most/);
    expect(table).toMatch(/broadcast +native +a queue of the process/);
    expect(table).toMatch(/Nothing is refused\.\n$/);
  });

  it('is a table that says what is refused, and why', async () => {
    const table = (await explorerOf([Billing], { service: 'billing', broker: lesser() })).table();
    expect(table).toContain('order: REFUSED');
    expect(table).toContain('- UNSUPPORTED: Billing.audit (pattern');
  });

  it('is a flowchart, from what is published to who handles it', async () => {
    const explorer = await explorerOf([Billing], { service: 'billing', publishes: [OrderPlaced] });
    expect(explorer.mermaid()).toBe(`flowchart LR
  n5[["billing"]]
  subgraph n10["default: memory"]
    n1(["order.placed"])
    n2(["order.*"])
    n3(["cache.cleared"])
    n4[("queue invoice.print")]
  end
  n5 -- "publishes, delay native" --> n1
  n1 -.-> n2
  n6["Billing.bill"]
  n1 -- "billing" --> n6
  n7["Billing.audit"]
  n2 -- "audit" --> n7
  n8["Billing.clear"]
  n3 -- "billing" --> n8
  n9["Billing.print"]
  n4 -- one worker --> n9
  classDef refused stroke:#c00,stroke-width:3px,stroke-dasharray:4
`);
  });
});

describe('What is said to be published', () => {
  it.each([
    [{ publishes: 'order.placed' }, /options\.publishes is 'order\.placed'/],
    [{ publishes: [3] }, /expected a name or a contract/],
  ])('%j is refused', async (wrong, message) => {
    await expect(explorerOf([], { service: 'billing', ...wrong } as object)).rejects.toThrow(message);
  });
});
