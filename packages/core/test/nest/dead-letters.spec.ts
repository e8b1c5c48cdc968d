import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  ConfigurationError,
  DeadLetter,
  InvalidMessageError,
  OnEvent,
  type Codec,
  type DeadLetters,
} from '@nest-messaging/core';
import { eventually, start } from '../support/application.js';

const source = { topic: 'order.placed' };

class CardDeclined extends Error {
  override readonly name = 'CardDeclined';
  readonly code = 'E42';
}

/** Writes texts as they are, so that a test can publish any bytes; a body that begins with `!` is a text of hex digits. */
const bytes: Codec = {
  contentType: 'application/octet-stream',
  encode: (text) => {
    const given = text as string;
    return given.startsWith('!') ? Buffer.from(given.slice(1), 'hex') : Buffer.from(given);
  },
  decode: (body) => Buffer.from(body).toString(),
};

/** An application with so many dead letters: `m0`, `m1` and so on, those of an even length by a declined card. */
async function withLetters(...texts: string[]) {
  const handled: string[] = [];
  let mended = false;
  @Injectable()
  class Invoices {
    @OnEvent('order.placed', { concurrency: 1, retry: { attempts: 1 } })
    bill(text: string): void {
      if (mended) handled.push(text);
      else if (text.length % 2 === 0) throw new CardDeclined('no cover');
      else throw new DeadLetter('no such customer');
    }
  }
  const running = await start({ providers: [Invoices] }, { service: 'shop', codec: bytes });
  for (const [at, text] of texts.entries())
    await running.bus.publish('order.placed', text, {
      messageId: `m${at}`,
      key: `k${at}`,
      headers: { at: `${at}` },
    });
  const { deadLetters } = running;
  await eventually(
    () => deadLetters.list(source),
    ({ letters }) => letters.length === texts.length,
  );
  return { ...running, handled, mend: () => void (mended = true) };
}

const idsOf = async (deadLetters: DeadLetters, options = {}): Promise<string[]> =>
  (await deadLetters.list(source, options)).letters.map(({ message }) => message.id);

const parsed = (line: string): unknown => JSON.parse(line);

async function exported(deadLetters: DeadLetters): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of deadLetters.export(source)) lines.push(line);
  return lines;
}

describe('a list of dead letters', () => {
  it('comes in pages, without payloads', async () => {
    const { deadLetters } = await withLetters('a', 'bb', 'c', 'dd', 'e');
    const first = await deadLetters.list(source, { limit: 2 });
    expect(first.letters).toMatchObject([
      { message: { id: 'm0', headers: { at: '0' }, key: 'k0' }, failure: { message: 'no such customer' } },
      { message: { id: 'm1' }, failure: { name: 'CardDeclined', code: 'E42' }, attempts: 1, group: 'shop' },
    ]);
    expect(first.letters[0]).not.toHaveProperty('message.body');
    expect(first.letters[0]).not.toHaveProperty('raw');
    // What was shown may be gone by then.
    await deadLetters.purge(source, ['m1']);
    const second = await deadLetters.list(source, { limit: 3, after: first.next });
    expect(second.letters.map(({ message }) => message.id)).toEqual(['m2', 'm3', 'm4']);
    expect(second.next).toBeUndefined();
  });

  it('can be had by error, by time and by id', async () => {
    const { deadLetters } = await withLetters('a', 'bb', 'c', 'dd');
    expect(await idsOf(deadLetters, { error: 'CardDeclined' })).toEqual(['m1', 'm3']);
    expect(await idsOf(deadLetters, { error: 'E42', limit: 1 })).toEqual(['m1']);
    expect(await idsOf(deadLetters, { error: 'DeadLetter', ids: ['m0', 'm1'] })).toEqual(['m0']);
    const { failure } = (await deadLetters.show(source, 'm2'))!;
    const at = new Date(failure.at);
    expect(await idsOf(deadLetters, { since: at })).toEqual(expect.arrayContaining(['m2', 'm3']));
    expect(await idsOf(deadLetters, { since: new Date(at.getTime() + 60_000) })).toEqual([]);
    expect(await idsOf(deadLetters, { until: at })).not.toContain('m2');
    expect(await idsOf(deadLetters, { until: new Date(at.getTime() + 60_000) })).toHaveLength(4);
  });

  it('refuses options that it does not know, and values that are none', async () => {
    const { deadLetters } = await start({});
    for (const [options, told] of [
      [{ newest: true }, /unknown option DeadLetters\.list options\.newest: valid are ids, error, since/],
      [{ limit: 0 }, /options\.limit is 0: expected at least 1/],
      [{ since: 'yesterday' }, /options\.since is 'yesterday': expected a date/],
      [{ until: new Date('nonsense') }, /expected a date/],
    ] as const)
      await expect(deadLetters.list(source, options as never)).rejects.toMatchObject({
        code: 'CONFIGURATION',
        message: expect.stringMatching(told),
      });
    await expect(deadLetters.list({ topic: 'a', connection: 'b' })).rejects.toBeInstanceOf(
      ConfigurationError,
    );
  });

  it('refuses to go on from a place that there cannot be', async () => {
    const { deadLetters } = await withLetters('a');
    await expect(deadLetters.list(source, { after: 'the middle' })).rejects.toMatchObject({
      code: 'INVALID_MESSAGE',
      message: expect.stringContaining("'the middle' is no place among these dead letters"),
    });
  });
});

describe('one dead letter', () => {
  it('is shown by its message id, with its payload where that is asked for', async () => {
    const { deadLetters } = await withLetters('a', 'bb');
    const letter = await deadLetters.show(source, 'm1');
    expect(letter).toMatchObject({
      message: { id: 'm1', destination: { kind: 'topic', name: 'order.placed' }, source: '/shop' },
      failure: { name: 'CardDeclined', message: 'no cover', code: 'E42' },
      attempts: 1,
      group: 'shop',
      origin: 'shop.order.placed',
    });
    expect(letter).not.toHaveProperty('message.body');
    const whole = await deadLetters.show(source, 'm1', { payload: true });
    expect(Buffer.from(whole!.message.body!).toString()).toBe('bb');
    expect(await deadLetters.show(source, 'none such')).toBeUndefined();
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(deadLetters.show(source, 'm1', { signal })).rejects.toThrow('enough');
  });
});

describe('dead letters', () => {
  it('are redriven and purged by name, by a filter, or all when that is said', async () => {
    const { deadLetters } = await start({});
    for (const which of [undefined, 'm1', {}, null, 5])
      for (const act of ['purge', 'redrive'] as const)
        await expect(deadLetters[act](source, which as never)).rejects.toBeInstanceOf(InvalidMessageError);
    await expect(deadLetters.purge(source, { eror: 'x' } as never)).rejects.toMatchObject({
      message: 'unknown option filter of dead letters.eror: valid are ids, error, since, until',
    });
    await expect(deadLetters.redrive(source, 'all', { rate: 0 })).rejects.toMatchObject({
      message: expect.stringContaining('options.rate is 0: expected more than 0'),
    });
    expect(await deadLetters.purge(source, 'all')).toEqual({ count: 0 });
  });

  it('are redriven as a filter says, and handled with the payload they had', async () => {
    const { deadLetters, handled, mend } = await withLetters('a', 'bb', 'c', 'dd');
    mend();
    expect(await deadLetters.redrive(source, { error: 'E42' })).toEqual({ count: 2 });
    await eventually(
      async () => handled,
      ({ length }) => length === 2,
    );
    expect(handled).toEqual(['bb', 'dd']);
    expect(await idsOf(deadLetters)).toEqual(['m0', 'm2']);
  });

  it('that have expired are not redriven to nobody, but left where they are, and counted', async () => {
    const { deadLetters, handled, mend } = await withLetters('a', 'late');
    const [, line] = (await exported(deadLetters)) as [string, string];
    await deadLetters.purge(source, ['m1']);
    const { message, ...letter } = JSON.parse(line) as { message: object };
    await deadLetters.import(source, [JSON.stringify({ ...letter, message: { ...message, expiresAt: 1 } })]);
    mend();
    expect(await deadLetters.redrive(source, 'all', { dryRun: true })).toEqual({
      count: 1,
      ids: ['m0'],
      expired: 1,
    });
    expect(await deadLetters.redrive(source, 'all')).toEqual({ count: 1, expired: 1 });
    expect(await deadLetters.redrive(source, ['m1'], { rate: 10 })).toEqual({ count: 0, expired: 1 });
    await eventually(
      async () => handled,
      ({ length }) => length === 1,
    );
    expect(handled).toEqual(['a']);
    expect(await idsOf(deadLetters)).toEqual(['m1']);
    expect(await deadLetters.purge(source, ['m1'])).toEqual({ count: 1 });
  });

  it('stay where they are in a dry run, which says how many and which', async () => {
    const { deadLetters } = await withLetters('a', 'bb', 'c');
    const lines = await exported(deadLetters);
    const dry = { dryRun: true } as const;
    expect(await deadLetters.redrive(source, 'all', dry)).toEqual({ count: 3, ids: ['m0', 'm1', 'm2'] });
    expect(await deadLetters.purge(source, { error: 'E42' }, dry)).toEqual({ count: 1, ids: ['m1'] });
    expect(await idsOf(deadLetters)).toEqual(['m0', 'm1', 'm2']);
    await deadLetters.purge(source, ['m0']);
    expect(await deadLetters.import(source, lines, dry)).toEqual({ count: 1, skipped: 2, ids: ['m0'] });
    expect(await idsOf(deadLetters)).toEqual(['m1', 'm2']);
  });

  it('tell of each that is done, and can be interrupted', async () => {
    const { deadLetters } = await withLetters('a', 'bb', 'c', 'dd');
    const lines = await exported(deadLetters);
    const controller = new AbortController();
    const reason = new Error('as the test wants it');
    const told: number[] = [];
    const interrupted = deadLetters.purge(source, 'all', {
      signal: controller.signal,
      onProgress(count) {
        told.push(count);
        if (count === 2) controller.abort(reason);
      },
    });
    await expect(interrupted).rejects.toBe(reason);
    const left = await idsOf(deadLetters);
    expect(told).toEqual(Array.from({ length: 4 - left.length }, (_, at) => at + 1));
    await expect(deadLetters.import(source, lines, { signal: controller.signal })).rejects.toBe(reason);
    await expect(deadLetters.list(source, { signal: controller.signal })).rejects.toBe(reason);
    expect(await idsOf(deadLetters)).toEqual(left);
  });
});

describe('an export', () => {
  it('has a line for each, with text as it is and everything else as base64', async () => {
    const { deadLetters } = await withLetters('{"a":"ü\u2028"}', '!ff00', '');
    const lines = await exported(deadLetters);
    expect(lines.every((line) => line.endsWith('\n') && line.indexOf('\n') === line.length - 1)).toBe(true);
    const read = lines.map((line) => JSON.parse(line) as Record<string, any>);
    expect(read.map(({ message }) => message.body)).toEqual(['{"a":"ü\u2028"}', { base64: '/wA=' }, '']);
    expect(read[0]).toMatchObject({
      subscription: { source: { kind: 'topic', name: 'order.placed' }, group: 'shop' },
      message: { id: 'm0', key: 'k0', headers: { at: '0' }, contentType: 'application/octet-stream' },
      failure: { name: 'CardDeclined', message: 'no cover', code: 'E42' },
      attempts: 1,
      group: 'shop',
      origin: 'shop.order.placed',
    });
    expect(await idsOf(deadLetters)).toHaveLength(3);
  });

  it('comes back as it was, cut into pieces anywhere, and is handled', async () => {
    const texts = ['{"a":"ü\u2028😀"}', '!ff00', '', 'x'.repeat(100_000)];
    const { deadLetters, handled, mend } = await withLetters(...texts);
    const before = (await deadLetters.list(source, { payload: true })).letters;
    const file = Buffer.from((await exported(deadLetters)).join(''));
    expect(await deadLetters.purge(source, 'all')).toEqual({ count: 4 });
    const pieces = Array.from({ length: Math.ceil(file.length / 7) }, (_, at) =>
      file.subarray(at * 7, (at + 1) * 7),
    );
    const progress: number[] = [];
    expect(
      await deadLetters.import(source, Readable.from(pieces), {
        onProgress: (count) => progress.push(count),
      }),
    ).toEqual({ count: 4, skipped: 0 });
    expect(progress).toEqual([1, 2, 3, 4]);
    expect((await deadLetters.list(source, { payload: true })).letters).toEqual(before);
    expect(await deadLetters.import(source, [file])).toEqual({ count: 0, skipped: 4 });
    mend();
    await deadLetters.redrive(source, 'all');
    await eventually(
      async () => handled,
      ({ length }) => length === 4,
    );
    expect(handled).toEqual([texts[0], Buffer.from('ff00', 'hex').toString(), '', texts[3]]);
  });

  it.each([
    ['is not JSON', '{"subscription"', /line 3 is no dead letter as it is exported: it is not JSON/],
    ['lacks something', (line: any) => delete line.failure.at, /line 3 .*: failure\.at is not as expected/],
    ['has something else', (line: any) => (line.more = 1), /line 3 .*: it has an unknown field 'more'/],
    [
      'has a time that is none',
      (line: any) => (line.failure.at = 1.5),
      /failure\.at is not as expected: a whole number/,
    ],
    [
      'has a header that is none',
      (line: any) => (line.message.headers = { a: 1 }),
      /message\.headers .*: an object of texts/,
    ],
    ['has no base64', (line: any) => (line.message.body = { base64: '???' }), /line 3/],
    [
      'is of another group',
      (line: any) => (line.subscription.group = 'other'),
      /it is of .*'other'.*was asked for/,
    ],
    ['is of a queue', (line: any) => (line.message.destination.kind = 'queue'), /line 3/],
  ])('with a line that %s is refused by that line’s number', async (_, break_, told) => {
    const { deadLetters } = await withLetters('a', 'secret');
    const [first, second] = (await exported(deadLetters)) as [string, string];
    await deadLetters.purge(source, 'all');
    let broken = break_;
    if (typeof broken === 'function') {
      const line: unknown = JSON.parse(second);
      broken(line);
      broken = JSON.stringify(line);
    }
    const importing = deadLetters.import(source, [first, '\n', broken as string]);
    await expect(importing).rejects.toMatchObject({
      code: 'INVALID_MESSAGE',
      message: expect.stringMatching(told as RegExp),
    });
    await expect(importing).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
  });

  it('comes back whole where several have one message id, and once however often it is given', async () => {
    const { deadLetters, bus } = await withLetters('a');
    await bus.publish('order.placed', 'other', { messageId: 'm0' });
    await eventually(
      () => deadLetters.list(source),
      ({ letters }) => letters.length === 2,
    );
    const lines = await exported(deadLetters);
    await deadLetters.purge(source, 'all');
    // As a process leaves it that is killed after the first.
    expect(await deadLetters.import(source, [lines[0]!])).toEqual({ count: 1, skipped: 0 });
    expect(await deadLetters.import(source, lines)).toEqual({ count: 1, skipped: 1 });
    expect(await deadLetters.import(source, lines)).toEqual({ count: 0, skipped: 2 });
    expect((await exported(deadLetters)).map(parsed)).toEqual(lines.map(parsed));
  });

  it('comes back of a message whose publisher had no clock', async () => {
    const { deadLetters } = await withLetters('a');
    const [line] = (await exported(deadLetters)) as [string];
    await deadLetters.purge(source, 'all');
    const publishedAt = Date.parse('0001-01-01T00:00:00Z');
    const { message, ...letter } = JSON.parse(line) as { message: object };
    const timeless = JSON.stringify({ ...letter, message: { ...message, publishedAt } });
    expect(await deadLetters.import(source, [timeless])).toEqual({ count: 1, skipped: 0 });
    expect((await deadLetters.show(source, 'm0'))?.message.publishedAt).toBe(publishedAt);
    expect(JSON.parse((await exported(deadLetters))[0]!)).toEqual(JSON.parse(timeless));
  });

  it('that is no UTF-8 is refused', async () => {
    const { deadLetters } = await withLetters('ü');
    const [line] = (await exported(deadLetters)) as [string];
    const bytesOf = Buffer.from(line.replace('ü', '?'));
    bytesOf[bytesOf.indexOf('?')] = 0xff;
    await expect(deadLetters.import(source, [bytesOf])).rejects.toMatchObject({
      message: expect.stringContaining('line 1 is no dead letter as it is exported: it is not UTF-8'),
    });
  });

  it('keeps headers whatever they are called', async () => {
    const { deadLetters, bus } = await withLetters();
    await bus.publish('order.placed', 'a', { headers: { constructor: 'Audi', toString: 'A4' } });
    const { letters } = await eventually(
      () => deadLetters.list(source),
      (page) => page.letters.length === 1,
    );
    const lines = await exported(deadLetters);
    await deadLetters.purge(source, 'all');
    await deadLetters.import(source, lines);
    expect((await deadLetters.list(source)).letters).toEqual(letters);
  });
});
