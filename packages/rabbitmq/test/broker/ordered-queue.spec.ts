import { describe, expect, it } from '@jest/globals';
import { startProxy } from '../proxy.js';
import { rabbitmqUrl } from '../../../../test/support/rabbitmq.js';
import { acknowledge, until, useStage } from '../stage.js';

const stage = useStage();
const source = { kind: 'queue', name: 'work' } as const;

describe('Ordered workers of a queue', () => {
  it('take turns, though senders know nothing of the order; when one goes, the next one goes on', async () => {
    const { open, after } = stage();
    const proxy = await startProxy(rabbitmqUrl());
    after(() => proxy.close());
    const sending = await open();
    const forever = new Promise<never>(() => {});
    const first = await (
      await open({ url: proxy.url })
    ).subscribe(
      source,
      ({ message }) => (Number(Buffer.from(message.body).toString()) < 10 ? acknowledge : forever),
      { ordered: true, maxUnsettled: 5 },
    );
    const second = await (await open()).subscribe(source, undefined, { ordered: true, maxUnsettled: 5 });
    for (let i = 0; i < 30; i++) await sending.enqueue('work', `${i}`);
    await until(() => first.seen.length === 15, 'the first to have its hands full');
    expect(second.seen).toEqual([]);
    await proxy.away();
    await until(() => second.seen.length === 20, 'the second to take over');
    expect(second.texts.map(Number)).toEqual(Array.from({ length: 20 }, (_, i) => i + 10));
  });

  it('hand the turn over when they stop', async () => {
    const { open } = stage();
    const sending = await open();
    const first = await sending.subscribe(source, undefined, { ordered: true });
    // On one connection too, to which the broker would give the turn twice.
    const second = await sending.subscribe(source, undefined, { ordered: true });
    await sending.enqueue('work', '1');
    await until(() => first.seen.length === 1, 'the first to have it');
    await first.stop();
    await sending.enqueue('work', '2');
    await until(() => second.seen.length === 1, 'the second to have it');
    expect([first.texts, second.texts]).toEqual([['1'], ['2']]);
  });
});

describe('An ordered subscription', () => {
  it('stays with its process where it is to have more or less in hand: what it holds is in order there', async () => {
    const { open } = stage();
    const sending = await open();
    let letGo = (): void => undefined;
    const door = new Promise<void>((resolve) => (letGo = resolve));
    const first = await (
      await open()
    ).subscribe(
      'a',
      async () => {
        await door;
        return acknowledge;
      },
      { ordered: true, maxUnsettled: 5 },
    );
    const second = await (await open()).subscribe('a', undefined, { ordered: true, maxUnsettled: 5 });
    for (let i = 0; i < 20; i++) await sending.publish('a', `${i}`);
    await until(() => first.seen.length === 5, 'the first to have its hands full');
    first.resize(2);
    first.resize(8);
    // Whoever had the turn by now would have taken the next ones.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(second.seen).toEqual([]);
    letGo();
    await until(() => first.seen.length === 20, 'the first to have all');
    expect(first.texts.map(Number)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(second.seen).toEqual([]);
  });
});
