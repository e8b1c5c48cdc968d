import 'reflect-metadata';
import { afterAll, expect, it } from '@jest/globals';
import { Injectable, type INestApplicationContext } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { randomBytes } from 'node:crypto';
import {
  DeadLetters,
  EventBus,
  memory,
  MessageContext,
  MessagingModule,
  OnEvent,
  type Broker,
  type MessagingModuleOptions,
} from '@nest-messaging/core';
import { aws } from '@nest-messaging/aws';
import { kafka } from '@nest-messaging/kafka';
import { rabbitmq } from '@nest-messaging/rabbitmq';
import type { BrokerConfig } from '../faults/application.js';
import type { ForeignMessage } from '../support/arbitrary.js';
import { describeHere } from '../support/describe-here.js';
import { strange } from './strangers.js';

/** Nothing that comes from outside changes a prototype, or gives an object what it has not. */

const polluting = [
  '{"__proto__":{"polluted":1}}',
  '{"a":[{"b":{"__proto__":{"polluted":1}}}]}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '{"a":{"constructor":{"prototype":{"polluted":1}}}}',
  '{"\\u005f_proto__":{"polluted":1}}',
  '["__proto__",{"__proto__":null}]',
];
const headers: ForeignMessage['headers'] = [
  ['__proto__', { polluted: 'yes' }],
  ['__proto__', 'polluted'],
  ['constructor', { prototype: { polluted: 'yes' } }],
  ['nm-carried', { ['__proto__']: { polluted: 'yes' }, headers: { ['__proto__']: { polluted: 'yes' } } }],
  ['ce', '{"__proto__":{"polluted":1},"id":"x"}'],
  ['nm', '{"__proto__":{"polluted":1}}'],
  ['ce___proto__', 'polluted'],
  ['cloudEvents:__proto__', 'polluted'],
];

/** Each prototype that everything has. */
const prototypes = [Object, Array, Function, Buffer, Map, Promise].map(
  ({ prototype }) => prototype as object,
);
const names = prototypes.map((prototype) => Reflect.ownKeys(prototype));

function assertClean(...objects: readonly object[]): void {
  expect(prototypes.map((prototype) => Reflect.ownKeys(prototype))).toEqual(names);
  for (const object of objects) {
    expect('polluted' in object).toBe(false);
    expect([Object.prototype, null]).toContain(Object.getPrototypeOf(object));
  }
}

const seen: { readonly payload: object; readonly context: MessageContext }[] = [];

@Injectable()
class Handler {
  @OnEvent('polluted', { retry: { attempts: 1 } })
  on(payload: object, context: MessageContext): void {
    seen.push({ payload, context });
  }
}

async function until(fits: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await fits())) await new Promise((resolve) => setTimeout(resolve, 10));
}

const silent = (): void => undefined;
const start = async (options: MessagingModuleOptions): Promise<INestApplicationContext> => {
  const module = await Test.createTestingModule({
    imports: [MessagingModule.forRoot(options)],
    providers: [Handler],
  })
    .setLogger({ log: silent, warn: silent, error: silent })
    .compile();
  return module.init();
};

const makers: Readonly<Record<BrokerConfig['name'], (options: never) => Broker>> = {
  aws,
  kafka,
  rabbitmq,
  memory,
};

for (const { name, missing, broker, publish, remove } of strange)
  describeHere(`What pollutes prototypes, on ${name}`, missing, () => {
    const namespace = `polluted${randomBytes(4).toString('hex')}`;
    let app: INestApplicationContext | undefined;

    afterAll(async () => {
      await app?.close();
      await remove(namespace, 'shop', ['polluted']);
    }, 30_000);

    it('changes none: its payload is set aside, its headers are handled', async () => {
      seen.splice(0);
      const { name: kind, options } = broker();
      app = await start({ service: 'shop', namespace, broker: makers[kind](options as never) });
      await publish(
        namespace,
        'polluted',
        polluting.map((body) => ({ body: Buffer.from(body), headers: [] })),
      );
      const source = { topic: 'polluted' };
      const letters = app.get(DeadLetters);
      await until(async () => (await letters.list(source)).letters.length === polluting.length);
      expect(seen).toEqual([]);
      for (const header of headers)
        await publish(namespace, 'polluted', [{ body: Buffer.from('{"fine":true}'), headers: [header] }]);
      await until(() => seen.length === headers.length);
      for (const { payload, context } of seen) {
        assertClean(payload, context.headers);
        expect(payload).toEqual({ fine: true });
      }
      for (const { message } of (await letters.list(source)).letters) assertClean(message.headers);
    });
  });

it('What pollutes prototypes is refused on publish', async () => {
  const app = await start({ broker: memory() });
  const events = app.get(EventBus);
  for (const body of polluting.filter((text) => !text.includes('\\u')))
    await expect(events.publish('polluted', JSON.parse(body))).rejects.toMatchObject({
      code: 'INVALID_MESSAGE',
    });
  await expect(
    events.publish('polluted', {}, { headers: JSON.parse('{"__proto__":"x"}') as Record<string, string> }),
  ).rejects.toMatchObject({ code: 'INVALID_MESSAGE' });
  await app.close();
  assertClean({});
});

it.each<[string, (given: never) => unknown]>([
  ['of the module', (given) => start(given)],
  ['of RabbitMQ', (given) => rabbitmq(given)],
  ['of Kafka', (given) => kafka(given)],
  ['of AWS', (given) => aws(given)],
])('Options %s that come from JSON change no prototype', async (_, use) => {
  for (const text of [
    '{"__proto__":{"polluted":1}}',
    '{"constructor":{"prototype":{"polluted":1}}}',
    '{"publish":{"__proto__":{"polluted":1}},"client":{"__proto__":{"polluted":1}}}',
    '{"connections":{"__proto__":{"polluted":1}},"defaults":{"retry":{"__proto__":{"polluted":1}}}}',
  ]) {
    const app = await Promise.resolve()
      .then(() => use(JSON.parse(text) as never))
      .catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'CONFIGURATION' });
      });
    await (app as INestApplicationContext | undefined)?.close?.();
    assertClean({});
  }
});
