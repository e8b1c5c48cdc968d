import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  ConfigurationError,
  defineEvent,
  memory,
  OnEvent,
  RegistrationError,
  type Codec,
  type MessagingError,
  type MessagingModuleOptions,
} from '@nest-messaging/core';
import { compile, eventually, start } from '../support/application.js';

@Injectable()
class Invoices {
  @OnEvent('order.placed')
  bill(): void {}
}

/** As a stranger encodes, who writes what he likes. */
const raw: Codec = {
  contentType: 'application/json',
  encode: (text) => Buffer.from(text as string),
  decode: (body) => body,
};

const retired = (...handlers: unknown[]): MessagingModuleOptions =>
  ({ service: 'shop', retired: handlers }) as MessagingModuleOptions;

describe('A retired handler', () => {
  it.each([
    ['a topic', { topic: 'order.placed' }],
    ['a contract', { topic: defineEvent('order.placed') }],
    ['another group', { topic: 'order.placed', group: 'audit' }],
    ['a pattern', { topic: 'order.*' }],
  ])('of %s sets messages aside at their first attempt, and says why', async (_, source) => {
    const { bus, deadLetters } = await start({}, retired({ ...source, outcome: 'dead-letter' }));
    await bus.publish('order.placed', { id: 1 });
    const {
      letters: [letter],
    } = await eventually(
      () => deadLetters.list(source),
      ({ letters }) => letters.length === 1,
    );
    expect(letter).toMatchObject({
      attempts: 1,
      failure: { name: 'DeadLetter', message: expect.stringContaining('is retired') },
    });
  });

  it('of a queue does so with tasks', async () => {
    const { bus, deadLetters } = await start({}, retired({ queue: 'letters', outcome: 'dead-letter' }));
    await bus.enqueue('letters', { to: 'someone' });
    await eventually(
      () => deadLetters.list({ queue: 'letters' }),
      ({ letters }) => letters.length === 1,
    );
  });

  it('can discard messages, which counts them', async () => {
    const { bus, deadLetters, until } = await start(
      {},
      retired({ topic: 'order.placed', outcome: 'discard' }),
    );
    await bus.publish('order.placed', { id: 1 });
    const { error } = await until('discarded');
    expect(error).toMatchObject({ message: "the handler of 'order.placed' in group 'shop' is retired" });
    expect(await deadLetters.list({ topic: 'order.placed' })).toEqual({ letters: [] });
  });

  it.each([
    ['discard', ['discarded UNDECODABLE', 'discarded MESSAGE_TOO_LARGE']],
    ['dead-letter', ['dead-lettered UNDECODABLE', 'dead-lettered MESSAGE_TOO_LARGE']],
  ])('of outcome %s makes no exception of what no handler could have read', async (outcome, expected) => {
    const broker = memory();
    const options = { ...retired({ topic: 'order.placed', outcome }), broker, maxBodySize: 100 };
    const { events, deadLetters } = await start({}, options);
    const stranger = await start({}, { service: 'stranger', broker, codec: raw });
    await stranger.bus.publish('order.placed', '{"id":');
    await stranger.bus.publish('order.placed', JSON.stringify('x'.repeat(100)));
    const ends = await eventually(
      async () =>
        events.flatMap((event) =>
          event.type === 'discarded' || event.type === 'dead-lettered'
            ? [`${event.type} ${(event.error as MessagingError).code}`]
            : [],
        ),
      ({ length }) => length === expected.length,
    );
    expect(ends).toEqual(expected);
    const { letters } = await deadLetters.list({ topic: 'order.placed' });
    if (outcome === 'discard') expect(letters).toEqual([]);
  });

  it('leaves the handlers of other groups alone', async () => {
    const { bus, until } = await start(
      { providers: [Invoices] },
      retired({ topic: 'order.placed', group: 'audit', outcome: 'discard' }),
    );
    await bus.publish('order.placed', { id: 1 });
    await Promise.all([until('handled'), until('discarded')]);
  });

  it('may belong to another connection', async () => {
    const { app } = await start(
      {},
      {
        service: 'shop',
        connections: { legacy: { broker: memory() } },
        retired: [{ topic: 'order.placed', connection: 'legacy', outcome: 'discard' }],
      },
    );
    expect(app).toBeDefined();
  });

  it('that still exists is refused', async () => {
    const app = await compile(
      { providers: [Invoices] },
      retired({ topic: 'order.placed', outcome: 'discard' }),
    );
    await expect(app.init()).rejects.toThrow(RegistrationError);
  });

  it.each([
    ['no source', { outcome: 'discard' }],
    ['two', { topic: 'a', queue: 'b', outcome: 'discard' }],
    ['a queue with a group', { queue: 'a', group: 'b', outcome: 'discard' }],
    ['an end that is none', { topic: 'a', outcome: 'ignore' }],
    ['a key that is unknown', { topic: 'a', outcome: 'discard', event: 'b' }],
  ])('with %s is refused', async (_, handler) => {
    await expect(compile({}, retired(handler))).rejects.toThrow(ConfigurationError);
  });
});
