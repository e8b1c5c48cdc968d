import { expect } from '@jest/globals';
import { onEachDriver } from '../stage.js';

const LIMIT = 1_000_000;

onEachDriver('What is larger than the broker takes by default', (test) => {
  test('is refused before it is sent, for body, headers or key, and what is at the limit is taken', async ({
    open,
    read,
    mark,
  }) => {
    const { publish } = await open({ partitions: 1 });
    const body = 'x'.repeat(LIMIT);
    const beside = 'h'.repeat(47_000);
    await publish('a', body, { headers: { h: beside }, key: 'at the limit' });
    for (const [text, more] of [
      [`${body}x`, {}],
      [body, { headers: { h: `${beside}${'h'.repeat(1_000)}` } }],
      [body, { key: `${beside}${'h'.repeat(1_000)}` }],
      ['small', { headers: { h: body, i: beside, j: beside } }],
    ] as const)
      await expect(publish('a', text, more)).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
    await publish('a', 'afterwards', { key: 'afterwards' });
    expect((await read(`${mark}.a`)).map(({ key }) => String(key))).toEqual(['at the limit', 'afterwards']);
  });

  test('a topic that takes less refuses by itself, and the connection goes on', async ({
    open,
    read,
    mark,
  }) => {
    const { publish } = await open({ partitions: 1, topicConfig: { 'max.message.bytes': '2000' } });
    const outcomes = await Promise.allSettled([
      publish('a', 'before'),
      publish('a', 'x'.repeat(3_000)),
      publish('a', 'small', { headers: { h: 'h'.repeat(3_000) } }),
      publish('a', 'behind'),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
    expect(outcomes.slice(1, 3)).toMatchObject([
      { reason: { code: 'MESSAGE_TOO_LARGE' } },
      { reason: { code: 'MESSAGE_TOO_LARGE' } },
    ]);
    expect((await read(`${mark}.a`)).map(({ value }) => String(value))).toEqual(['before', 'behind']);
  });
});
