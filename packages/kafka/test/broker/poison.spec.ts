import { expect } from '@jest/globals';
import type { Delivery, Settlement } from '@nest-messaging/core/contract';
import { HEADER } from '../../src/wire.js';
import {
  acknowledge,
  deadLetter,
  header,
  namesOf,
  onEachDriver,
  retry,
  until,
  type Probe,
} from '../stage.js';
import { listed } from '../../../../test/support/dead-letters.js';

onEachDriver('A poison message at the head of a partition', (test) => {
  test('that always fails: the rest go on at full speed, and it ends among the dead letters untouched', async ({
    open,
    write,
    read,
    mark,
  }) => {
    const application = await open({ partitions: 1 });
    const poison = Buffer.from([0xff, 0x00, 0x7b]);
    const isPoison = (text: string): boolean => !text.startsWith('{');
    // One at a time: whoever waits for the poison would hold up all the others.
    const behaviour = ({ message, attempt }: Delivery): Settlement =>
      isPoison(Buffer.from(message.body).toString())
        ? attempt < 4
          ? retry(1_500)
          : deadLetter(4)
        : acknowledge;
    const probe = await application.subscribe('a', behaviour, { maxUnsettled: 1 });
    const clean = await application.subscribe('clean', behaviour, { maxUnsettled: 1 });
    const topic = `${mark}.a`;
    const headers = { colour: ['red', 'blue'], binary: Buffer.from([255, 0]), 'content-type': 'text/x' };
    // At the same time, so that what else goes on here disturbs both.
    await Promise.all([
      write(topic, { key: Buffer.from([1, 255]), value: poison, headers }, ...rest(2_000)),
      write(`${mark}.clean`, ...rest(2_000)),
    ]);
    const others = (): Probe['seen'] => probe.seen.filter(({ text }) => !isPoison(text));
    await until(() => others().length === 2_000 && clean.seen.length === 2_000, 'the rest of both');
    const took = (seen: Probe['seen']): number => seen.at(-1)!.at - seen[0]!.at;
    // Its three waits take 4.5 s.
    expect(took(others())).toBeLessThan(Math.max(3 * took(clean.seen), 1_000));
    expect(others().map(({ text }) => text)).toEqual(clean.texts);
    expect(clean.texts).toEqual(rest(2_000).map(({ value }) => value));
    const { dead } = namesOf({ mark }, probe);
    await until(async () => (await read(dead)).length === 1, 'the dead letter');
    const [original] = await read(topic);
    const [letter] = await read(dead);
    expect([letter!.key, letter!.value]).toEqual([original!.key, original!.value]);
    expect(letter!.headers.slice(0, original!.headers.length)).toEqual(original!.headers);
    const added = Object.fromEntries(
      Object.entries(HEADER).map(([key, name]) => [key, header(letter!, name)]),
    );
    expect(added).toMatchObject({
      topic,
      partition: '0',
      offset: '0',
      time: `${original!.timestamp}`,
      attempts: '4',
      group: 'group',
      errorName: 'TestError',
      error: 'as the test wants it',
      errorCode: 'E_TEST',
    });
    expect(probe.seen.filter(({ text }) => isPoison(text)).map(({ attempt }) => attempt)).toEqual([
      1, 2, 3, 4,
    ]);
  });

  test('that is dead-lettered at once, and with `ordered` that is retried in place, holds up nobody else', async ({
    open,
    write,
    mark,
  }) => {
    const application = await open({ partitions: 1 });
    const handle =
      (kind: 'at once' | 'in place') =>
      ({ text, attempt }: { text: string; attempt: number }) =>
        text.startsWith('{')
          ? acknowledge
          : kind === 'in place' && attempt < 3
            ? retry(300)
            : deadLetter(attempt);
    const texted =
      (act: ReturnType<typeof handle>) => (delivery: { message: { body: Uint8Array }; attempt: number }) =>
        act({ text: Buffer.from(delivery.message.body).toString(), attempt: delivery.attempt });
    const [once, ordered] = [
      await application.subscribe('a', texted(handle('at once'))),
      await application.subscribe('a', texted(handle('in place')), {
        group: 'ordered',
        ordered: true,
        maxUnsettled: 50,
      }),
    ];
    await write(`${mark}.a`, { key: 'poison', value: 'not JSON' }, ...rest(200));
    await until(() => once.seen.length === 201, 'all of one');
    await until(() => ordered.seen.length === 203, 'all of the other');
    for (const probe of [once, ordered])
      await until(
        async () => (await listed(application.transport.deadLetters, probe.subscription, 9)).length === 1,
        'the dead letter',
      );
    const [letter] = await listed(application.transport.deadLetters, ordered.subscription, 9);
    expect(letter).toMatchObject({ attempts: 3, group: 'ordered', message: { key: 'poison' } });
    expect(Buffer.from(letter!.message.body).toString()).toBe('not JSON');
  });
});

const rest = (count: number): { key: string; value: string }[] =>
  Array.from({ length: count }, (_, at) => ({ key: `k${at % 7}`, value: `{"n":${at}}` }));
