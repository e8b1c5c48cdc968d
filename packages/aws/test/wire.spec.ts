import { describe, expect, it } from '@jest/globals';
import type { MessageAttributeValue, Message as SqsMessage } from '@aws-sdk/client-sqs';
import type { Destination, Message } from '@nest-messaging/core/contract';
import {
  copyOf,
  fifoId,
  read as readOf,
  readDeadLetter,
  sizeOf,
  toParcel,
  type Parcel,
} from '../src/wire.js';

const topic = { kind: 'topic', name: 'order.placed' } as const;

const read = (raw: SqsMessage, source: Destination) => readOf(raw, source, { namespace: 'shop' });

const message: Message = {
  id: 'm1',
  destination: topic,
  body: Buffer.from('{"total":5}'),
  contentType: 'application/json',
  headers: {},
  source: '/shop/billing',
  publishedAt: 1_700_000_000_000,
};

const received = ({ body, attributes }: Parcel, more: object = {}) => ({
  MessageId: 'of-sqs',
  Body: body,
  MessageAttributes: { ...attributes },
  ...more,
});

const there = (given: Partial<Message>): Message =>
  read(received(toParcel({ ...message, ...given })), topic).message;

const strings = (count: number): Record<string, MessageAttributeValue> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`h${i}`, { DataType: 'String', StringValue: `${i}` }]),
  );

describe('a message on its way through SNS and SQS', () => {
  it('has its payload as body, and one attribute for all that CloudEvents knows', () => {
    const { body, attributes } = toParcel({ ...message, key: 'k', correlationId: 'c', version: '2' });
    expect(body).toBe('{"total":5}');
    expect(Object.keys(attributes)).toEqual(['ce']);
    expect(JSON.parse(attributes['ce']!.StringValue!)).toMatchObject({
      specversion: '1.0',
      id: 'm1',
      type: 'order.placed',
      source: '/shop/billing',
      partitionkey: 'k',
      datacontenttype: 'application/json',
    });
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['bytes that are no UTF-8', Buffer.from([0xff, 0x00, 0x7b])],
    ['characters that XML has not', Buffer.from('a\u0000b')],
    ['half a surrogate', Buffer.from([0xed, 0xa0, 0x80])],
    ['an emoji', Buffer.from('"😀"')],
    ['a byte-order mark', Buffer.from('\uFEFF{}')],
  ])('arrives byte for byte: %s', (_, body) => {
    expect(Buffer.from(there({ body }).body).toString('hex')).toBe(body.toString('hex'));
  });

  it.each([
    [
      'more than attributes there are',
      Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`h${i}`, `${i}`])),
    ],
    [
      'names that AWS does not take',
      { 'a:b': '1', 'aws.x': '2', '': '3', 'ä ö': '4', '.a': '5', 'a..b': '6' },
    ],
    ['values that AWS does not take', { empty: '', control: 'a\u0001b', none: '\uFFFF', text: 'ü😀' }],
    ['a name that is too long for AWS', { ['x'.repeat(257)]: '1' }],
    [
      'names of the module itself',
      { ce: '1', nm: '2', 'content-encoding': 'base64', ExtendedPayloadSize: '5' },
    ],
    ['names of an object', JSON.parse('{"__proto__":"1","constructor":"2","toString":"3"}')],
  ])('keeps headers: %s', (_, headers: Record<string, string>) => {
    expect(Object.entries(there({ headers }).headers).sort()).toEqual(Object.entries(headers).sort());
    expect(Object.keys(toParcel({ ...message, headers }).attributes).length).toBeLessThanOrEqual(10);
  });

  it('says nothing in characters that AWS does not take', () => {
    const said = { key: 'a\uFFFFb', correlationId: 'c\uFFFE' };
    const { attributes } = toParcel({ ...message, ...said, headers: { none: '\uFFFF' } });
    for (const { StringValue } of Object.values(attributes))
      expect(StringValue).not.toMatch(/[\uFFFE\uFFFF]/);
    expect(there(said)).toMatchObject(said);
  });

  it('is weighed as AWS does', () => {
    const parcel = { body: 'äb', attributes: { n: { DataType: 'String', StringValue: 'ö' } } };
    expect(sizeOf(parcel)).toBe(3 + 1 + 6 + 2);
  });
});

describe('a message of someone who has never heard of the module', () => {
  it('is known by what SQS says of it', () => {
    const found = read(
      { MessageId: 'of-sqs', Body: '{}', Attributes: { SentTimestamp: '1700000000000' } },
      topic,
    );
    expect(found).toMatchObject({
      attempt: 1,
      message: {
        id: 'of-sqs',
        destination: topic,
        contentType: 'application/json',
        publishedAt: 1_700_000_000_000,
      },
    });
  });

  it('has its message group as its key, and so have its copies in queues that have no groups', () => {
    const raw = { MessageId: 'of-sqs', Body: '{}', Attributes: { MessageGroupId: 'customer-1' } };
    const { message: foreign } = read(raw, topic);
    expect(foreign.key).toBe('customer-1');
    const letter = received(copyOf(raw, { id: foreign.id, key: foreign.key! }));
    expect(read(letter, topic).message.key).toBe('customer-1');
    expect(readDeadLetter(letter, { source: topic, group: 'g' }, {}).message.key).toBe('customer-1');
  });

  it('has the key that its publisher says before that of a copy, and that before its group, which may be hashed', () => {
    const keyOf = (ce: object, nm: object): string | undefined =>
      read(
        {
          Body: '{}',
          Attributes: { MessageGroupId: 'group' },
          MessageAttributes: {
            ce: { DataType: 'String', StringValue: JSON.stringify(ce) },
            nm: { DataType: 'String', StringValue: JSON.stringify(nm) },
          },
        },
        topic,
      ).message.key;
    expect(keyOf({ partitionkey: 'own' }, { key: 'copied' })).toBe('own');
    expect(keyOf({}, { key: 'copied' })).toBe('copied');
    expect(keyOf({}, { key: 7 })).toBe('group');
  });

  it('is unwrapped where raw delivery is off', () => {
    const Body = JSON.stringify({
      Type: 'Notification',
      TopicArn: 'arn:aws:sns:eu-west-1:123456789012:order_placed',
      Message: '{"id":1}',
      MessageAttributes: { colour: { Type: 'String', Value: 'red' } },
    });
    const { message: unwrapped } = read({ MessageId: 'of-sqs', Body }, topic);
    expect(Buffer.from(unwrapped.body).toString()).toBe('{"id":1}');
    expect(unwrapped.headers).toEqual({ colour: 'red' });
  });

  it.each([
    ['a payload that looks like an envelope', '{"Type":"Notification","Message":"x"}'],
    ['JSON that is none', '{"Type":'],
    // Their copies could not be sent.
    ['an envelope around nothing', '{"Type":"Notification","TopicArn":"t","Message":""}'],
    [
      'an envelope around what SNS does not carry',
      '{"Type":"Notification","TopicArn":"t","Message":"\\u0000"}',
    ],
  ])('is left as it is: %s', (_, Body) => {
    expect(Buffer.from(read({ MessageId: 'm', Body }, topic).message.body).toString()).toBe(Body);
  });

  it.each([
    '',
    'null',
    '[]',
    '"x"',
    '{',
    '{"attempt":"many","headers":7,"failure":[]}',
    '{"id":5,"topic":[],"key":{},"to":{"kind":"topic"},"group":1,"attempts":"x","failure":{"name":"E"}}',
    // Conversion to a number would throw, and the rejection end the process.
    '{"attempt":{"valueOf":1,"toString":1},"due":{"valueOf":1,"toString":1}}',
    '{"due":"soon","firstFailedAt":1e400}',
  ])('does no harm with marks that are none of the module’s: %s', (text) => {
    const attributes = {
      nm: { DataType: 'String', StringValue: text },
      ce: { DataType: 'String', StringValue: text },
      bytes: { DataType: 'Binary', BinaryValue: Uint8Array.of(1) },
    };
    const found = read({ MessageId: 'of-sqs', Body: 'x', MessageAttributes: attributes }, topic);
    expect(found).toMatchObject({ attempt: 1, message: { id: 'of-sqs', headers: {} } });
    expect(found.marks).not.toMatchObject({ due: expect.anything() });
    expect(
      readDeadLetter({ MessageId: 'm', MessageAttributes: attributes }, { source: topic, group: 'g' }, {}),
    ).toMatchObject({ group: 'g', attempts: 0, firstFailedAt: 0, failure: { name: 'Error', at: 0 } });
  });

  it('is of the topic that SNS names, under a pattern, and so are its copies', () => {
    const pattern = { kind: 'topic', name: 'order.*' } as const;
    const raw = {
      MessageId: 'of-sqs',
      Body: JSON.stringify({
        Type: 'Notification',
        TopicArn: 'arn:aws:sns:eu-west-1:123456789012:shop_order_paid.fifo',
        Message: 'x',
        MessageAttributes: { bytes: { Type: 'Binary', Value: 'AQ==' } },
      }),
    };
    expect(read(raw, pattern).message.destination).toEqual({ kind: 'topic', name: 'order.paid' });
    const copy = copyOf(raw, { topic: 'order.paid' });
    expect(read(received(copy), pattern).message.destination.name).toBe('order.paid');
    expect(copy.attributes['bytes']!.BinaryValue).toEqual(Buffer.of(1));
  });

  it('says its topic itself only under a pattern', () => {
    const raw = received(toParcel({ ...message, destination: { kind: 'topic', name: 'order.paid' } }));
    expect(read(raw, topic).message.destination).toEqual(topic);
    expect(read(raw, { kind: 'topic', name: 'order.*' }).message.destination.name).toBe('order.paid');
  });
});

describe('a copy', () => {
  it('has the module’s marks, and otherwise what the original has', () => {
    const headers = { 'a:b': '1', colour: 'red' };
    const first = copyOf(received(toParcel({ ...message, headers })), { attempt: 2, due: 7 });
    const second = copyOf(received(first), { attempt: 3 });
    expect(read(received(second), topic)).toMatchObject({ attempt: 3, message: { id: 'm1', headers } });
    expect(read(received(second), topic).marks.due).toBeUndefined();
  });

  it.each([9, 10])('keeps all that a stranger has put there, be it %s attributes', (count) => {
    const raw = { MessageId: 'of-sqs', Body: 'x', MessageAttributes: strings(count) };
    const copy = copyOf(raw, { id: 'of-sqs', attempt: 2 });
    expect(Object.keys(copy.attributes).length).toBeLessThanOrEqual(10);
    expect(read(received(copy), topic).message.headers).toEqual(read(raw, topic).message.headers);
  });

  it('rather packs text than bytes, which only attributes can hold', () => {
    const bytes = { DataType: 'Binary', BinaryValue: Uint8Array.of(1) };
    const raw = { MessageId: 'm', Body: 'x', MessageAttributes: { ...strings(9), bytes } };
    expect(copyOf(raw, { attempt: 2 }).attributes['bytes']).toEqual(bytes);
  });
});

describe('a copy of what was in an envelope', () => {
  const inside = JSON.stringify({ Type: 'Notification', TopicArn: 't', Message: 'payload of a payload' });

  it('stays as it is, though it looks like an envelope', () => {
    const raw = { MessageId: 'm', Body: JSON.stringify({ ...JSON.parse(inside), Message: inside }) };
    const body = (of: SqsMessage): string => Buffer.from(read(of, topic).message.body).toString();
    expect(body(raw)).toBe(inside);
    expect(body(received(copyOf(raw, { attempt: 2 })))).toBe(inside);
  });

  it('has of its attributes those that SQS takes', () => {
    const MessageAttributes = {
      colour: { Type: 'String', Value: 'red' },
      'two words': { Type: 'String', Value: 'x' },
      empty: { Type: 'String', Value: '' },
      bytes: { Type: 'Binary', Value: '%' },
    };
    const raw = { MessageId: 'm', Body: JSON.stringify({ ...JSON.parse(inside), MessageAttributes }) };
    expect(Object.keys(copyOf(raw, { attempt: 2 }).attributes)).toEqual(['colour', 'nm']);
  });
});

describe('an id for FIFO', () => {
  it.each(['order-1', 'a/b:c', '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'])('is what it is: %s', (id) => {
    expect(fifoId(id)).toBe(id);
  });

  it.each(['', 'with space', 'ü', 'x'.repeat(129)])('is hashed where AWS does not take it: %s', (id) => {
    expect(fifoId(id)).toMatch(/^[\w-]{43}$/);
    expect(fifoId(id)).toBe(fifoId(id));
  });
});
