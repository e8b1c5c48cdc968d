import 'reflect-metadata';
import { Parser } from '@asyncapi/parser';
import { describe, expect, it } from '@jest/globals';
import { Injectable, Module, type INestApplication, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { ApiProperty, ApiSchema } from '@nestjs/swagger';
import { asyncApiDocument, type AsyncApiDocument } from '@nest-messaging/asyncapi';
import { aws } from '@nest-messaging/aws';
import {
  defineEvent,
  memory,
  MessagingModule,
  OnEvent,
  OnQueue,
  type Broker,
  type MessagingModuleOptions,
} from '@nest-messaging/core';
import { kafka } from '@nest-messaging/kafka';
import { rabbitmq } from '@nest-messaging/rabbitmq';
import { toStandardJsonSchema } from '@valibot/to-json-schema';
import { type } from 'arktype';
import * as v from 'valibot';
import { z } from 'zod';

const Item = z.object({
  name: z.string(),
  get parts() {
    return z.array(Item);
  },
});
const OrderPlaced = defineEvent('order.placed', {
  schema: z.object({
    id: z.string(),
    at: z.iso.datetime().transform((text) => new Date(text)),
    items: z.array(Item),
  }),
  version: '2',
});
const OrderPaid = defineEvent('order.paid', { schema: type({ id: 'string', amount: 'number > 0' }) });
const Invoice = defineEvent('invoice.print', {
  schema: toStandardJsonSchema(v.object({ id: v.string(), copies: v.optional(v.number(), 1) })),
});
const Untold = defineEvent('untold', { schema: v.object({ id: v.string() }) });

class Line {
  @ApiProperty()
  text!: string;
}

class Note {
  @ApiProperty({ nullable: true, type: String })
  author!: string | null;

  @ApiProperty({ type: [Line] })
  lines!: Line[];
}

@Injectable()
class Handlers {
  @OnEvent(OrderPlaced)
  placed(): void {}

  @OnEvent('order.*', { group: 'audit' })
  audit(): void {}

  @OnQueue(Invoice)
  print(): void {}

  @OnEvent('note.written')
  note(_note: Note): void {}

  @OnEvent(Untold)
  untold(): void {}

  @OnEvent('#.done', { group: 'all' })
  anything(): void {}
}

/** Made and never started. */
async function documentOf(
  options: MessagingModuleOptions,
  providers: Type[] = [Handlers],
): Promise<AsyncApiDocument> {
  @Module({
    imports: [
      MessagingModule.forRoot({
        service: 'shop',
        namespace: 'test',
        publishes: [OrderPlaced, OrderPaid],
        enqueues: [Invoice],
        ...options,
      }),
    ],
    providers,
  })
  class AppModule {}
  const compiled = await Test.createTestingModule({ imports: [AppModule] }).compile();
  const app: INestApplication = compiled.createNestApplication();
  return asyncApiDocument(app, { info: { version: '1.2.3' } });
}

/** What AsyncAPI's own parser has against it; hints apart. */
async function errorsIn(document: AsyncApiDocument): Promise<string[]> {
  const diagnostics = await new Parser().validate(JSON.stringify(document));
  return diagnostics
    .filter(({ severity }) => severity === 0)
    .map(({ message, path }) => `${path.join('.')}: ${message}`);
}

describe('The AsyncAPI document of an application', () => {
  const brokers: [string, Broker][] = [
    ['memory', memory()],
    ['rabbitmq', rabbitmq({ url: 'amqp://someone:s3cret@127.0.0.1:1' })],
    ['kafka', kafka({ brokers: ['127.0.0.1:1'] })],
    ['aws', aws({ region: 'eu-west-1' })],
  ];

  it.each(brokers)(
    'is valid to its own parser, on %s',
    async (_, broker) => {
      const document = await documentOf({ broker });
      expect(await errorsIn(document)).toEqual([]);
      expect(JSON.stringify(document)).not.toContain('s3cret');
      expect(Object.keys(document.operations).sort()).toEqual([
        'handle--all----all.done',
        'handle--audit--order.--one',
        'handle--shop--note.written',
        'handle--shop--order.placed',
        'handle--shop--untold',
        'handle--worker--invoice.print--queue',
        'publish--invoice.print--queue',
        'publish--order.paid',
        'publish--order.placed',
      ]);
    },
    60_000,
  );

  it('says where each topic and queue is on the broker', async () => {
    const addresses = async (broker: Broker): Promise<unknown> => {
      const { channels } = await documentOf({ broker });
      return ['order.placed', 'invoice.print--queue', 'order.--one'].map((id) => channels[id]!['address']);
    };
    expect(await addresses(brokers[1]![1])).toEqual(['order.placed', 'test.invoice.print', 'order.{word1}']);
    expect(await addresses(brokers[2]![1])).toEqual([
      'test.order.placed',
      'test.invoice.print--queue',
      'order.{word1}',
    ]);
    expect(await addresses(brokers[3]![1])).toEqual([
      'test_order_placed',
      'test_invoice_print',
      'order.{word1}',
    ]);
  });

  it('has the schemas of contracts, as their payloads are on the wire', async () => {
    const { components } = await documentOf({});
    expect(components.schemas['order.placed--v2']).toMatchObject({
      type: 'object',
      properties: { id: { type: 'string' }, at: { type: 'string', format: 'date-time' } },
      required: ['id', 'at', 'items'],
    });
    expect(components.schemas['order.paid']).toMatchObject({
      properties: { amount: { type: 'number', exclusiveMinimum: 0 } },
    });
    expect(components.schemas['invoice.print--queue']).toMatchObject({ required: ['id'] });
    expect(components.messages['untold']).not.toHaveProperty('payload');
  });

  it('keeps references of a schema within the schema', async () => {
    const text = JSON.stringify((await documentOf({})).components.schemas['order.placed--v2']);
    const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, found]) => found);
    expect(references.length).toBeGreaterThan(0);
    for (const one of references) expect(one).toMatch(/^#\/components\/schemas\/order\.placed--v2/);
  });

  it('has the classes that @nestjs/swagger knows, where no contract says more', async () => {
    const { components } = await documentOf({});
    expect(components.messages['note.written']).toMatchObject({
      payload: { $ref: '#/components/schemas/Note' },
    });
    expect(components.schemas['Note']).toMatchObject({
      properties: {
        author: { type: ['string', 'null'] },
        lines: { type: 'array', items: { $ref: '#/components/schemas/Line' } },
      },
    });
    expect(components.schemas).toHaveProperty('Line');
  });

  it('tells two classes of one name apart, and what they refer to, and has what is the same once', async () => {
    class Country {
      @ApiProperty()
      code!: string;
    }
    const post = (): Type => {
      class Part {
        @ApiProperty()
        street!: string;
      }
      class Address {
        @ApiProperty({ type: Part })
        part!: Part;
        @ApiProperty({ type: Country })
        country!: Country;
      }
      @Injectable()
      class Post {
        @OnEvent('parcel.sent')
        sent(_to: Address): void {}
        @OnEvent('letter.sent')
        also(_to: Address): void {}
      }
      return Post;
    };
    const mail = (): Type => {
      class Part {
        @ApiProperty()
        host!: string;
      }
      class Address {
        @ApiProperty({ type: Part })
        part!: Part;
        @ApiProperty({ type: Country })
        country!: Country;
      }
      @ApiSchema({ name: 'order.paid' })
      class Named {
        @ApiProperty()
        id!: string;
      }
      @Injectable()
      class Mail {
        @OnEvent('mail.sent')
        sent(_to: Address): void {}
        @OnEvent('named')
        named(_named: Named): void {}
      }
      return Mail;
    };
    const document = await documentOf({}, [post(), mail()]);
    const { messages, schemas } = document.components;
    const schemaOf = (message: string) => {
      const { $ref } = messages[message]!['payload'] as { $ref: string };
      return schemas[$ref.replace('#/components/schemas/', '')] as Record<string, any>;
    };
    const [parcel, letter, sent] = ['parcel.sent', 'letter.sent', 'mail.sent'].map(schemaOf);
    expect(letter).toBe(parcel);
    expect(parcel!['properties'].part.$ref).toBe('#/components/schemas/Part');
    expect(sent!['properties'].part.$ref).toBe('#/components/schemas/Part-2');
    expect(sent!['properties'].country).toEqual(parcel!['properties'].country);
    expect(schemas['Part']).toMatchObject({ properties: { street: {} } });
    expect(schemas['Part-2']).toMatchObject({ properties: { host: {} } });
    // A contract's schema has that name.
    expect(schemaOf('named')).toBe(schemas['order.paid-2']);
    expect(schemas['order.paid']).toMatchObject({ properties: { amount: {} } });
    expect(
      Object.keys(schemas)
        .filter((name) => /Address|Part|Country/.test(name))
        .sort(),
    ).toEqual(['Address', 'Address-2', 'Country', 'Part', 'Part-2']);
    expect(await errorsIn(document)).toEqual([]);
  }, 60_000);

  it('gives a pattern the messages that it covers, as far as they are known', async () => {
    const { channels, operations } = await documentOf({});
    expect(Object.keys(channels['order.--one']!['messages'] as object)).toEqual([
      'order.placed--v2',
      'order.paid',
    ]);
    expect(Object.keys(channels['--all.done']!['messages'] as object)).toEqual(['--all.done']);
    expect(operations['handle--audit--order.--one']).toMatchObject({
      action: 'receive',
      channel: { $ref: '#/channels/order.--one' },
      title: 'Handlers.audit',
    });
  });

  it('keeps connections apart', async () => {
    const document = await documentOf({
      connections: { audit: { broker: memory(), publishes: [OrderPlaced] } },
    });
    expect(document.operations).toHaveProperty(['publish--audit--order.placed']);
    expect(document.operations).toHaveProperty(['publish--order.placed']);
    expect(await errorsIn(document)).toEqual([]);
  }, 60_000);

  it('has an operation for each handler of a group, be it of one event, whichever comes first', async () => {
    @Injectable()
    class Prices {
      @OnEvent('price.changed')
      keep(): void {}

      @OnEvent('price.changed', { broadcast: true })
      show(): void {}

      @OnEvent('cache.cleared', { broadcast: true })
      clear(): void {}
    }
    @Injectable()
    class Offers {
      @OnEvent('cache.cleared', { broadcast: true })
      clear(): void {}
    }
    const titles = async (...providers: Type[]): Promise<unknown> => {
      const document = await documentOf({ publishes: [], enqueues: [] }, providers);
      expect(await errorsIn(document)).toEqual([]);
      return Object.fromEntries(Object.entries(document.operations).map(([id, { title }]) => [id, title]));
    };
    const expected = {
      'handle--shop--price.changed': 'Prices.keep',
      'handle--shop--price.changed--broadcast': 'Prices.show',
      'handle--shop--cache.cleared--broadcast--Prices.clear': 'Prices.clear',
      'handle--shop--cache.cleared--broadcast--Offers.clear': 'Offers.clear',
    };
    expect(await titles(Prices, Offers)).toEqual(expected);
    expect(await titles(Offers, Prices)).toEqual(expected);
  }, 60_000);

  it('leaves out what would be refused', async () => {
    @Injectable()
    class Refused {
      @OnEvent('slow', { timeout: '2h' })
      slow(): void {}
    }
    const { operations } = await documentOf({ broker: brokers[1]![1] }, [Refused]);
    expect(Object.keys(operations).filter((id) => id.startsWith('handle'))).toEqual([]);
  });
});

describe('The parser of these tests', () => {
  it('sees a document that is wrong', async () => {
    const document = await documentOf({});
    const channels = { ...document.channels, wrong: { address: 3, messages: 'none' } } as never;
    expect(await errorsIn({ ...document, channels })).not.toEqual([]);
  }, 60_000);
});
