import { describe, expect, it } from '@jest/globals';
import { SendMessageBatchCommand } from '@aws-sdk/client-sqs';
import { awsEndpoint, countInSqs } from '../../../../test/support/aws.js';
import { startProxy } from '../../../rabbitmq/test/proxy.js';
import { until, useStage } from '../support/stage.js';
import { among, listed } from '../../../../test/support/dead-letters.js';

const stage = useStage();

const id = { group: 'group', source: { kind: 'topic', name: 'order' } } as const;
/** More than are looked at together. */
const MANY = 1_250;

/** A subscription with so many dead letters, put there by a plain client, with `m0`, `m1` and so on as their ids. */
async function withLetters(count: number) {
  const { mark, sqs, open, queueUrl } = stage();
  const { transport, subscribe } = await open();
  const { seen } = await subscribe('order', undefined, { maxUnsettled: 100 });
  const QueueUrl = await queueUrl(`${mark}_group_order--dead`);
  for (let from = 0; from < count; from += 10)
    await sqs.send(
      new SendMessageBatchCommand({
        QueueUrl,
        Entries: Array.from({ length: 10 }, (_, at) => ({
          Id: `${at}`,
          MessageBody: `${from + at}`,
          MessageAttributes: {
            ce: { DataType: 'String', StringValue: JSON.stringify({ id: `m${from + at}` }) },
          },
        })),
      }),
    );
  return { transport, seen };
}

describe('dead letters in great number', () => {
  it('are listed, purged and redriven some at a time, and none is left out of sight', async () => {
    const { transport, seen } = await withLetters(MANY);
    const texts = async (limit: number): Promise<string[]> =>
      (await listed(transport.deadLetters, id, limit)).map(({ message }) =>
        Buffer.from(message.body).toString(),
      );
    expect(await texts(3)).toHaveLength(3);
    expect(await texts(MANY * 2)).toHaveLength(MANY);
    expect(await transport.deadLetters.purge(id, among(['m7', `m${MANY - 1}`, 'none such']))).toBe(2);
    expect(await transport.deadLetters.redrive(id)).toBe(MANY - 2);
    await until(() => seen.length === MANY - 2, 'all that were redriven');
    expect(new Set(seen.map(({ text }) => text)).size).toBe(MANY - 2);
    expect(await listed(transport.deadLetters, id, 1)).toEqual([]);
  });
});

describe('dead letters that cannot be reached', () => {
  it('say so in the module’s own words', async () => {
    const { open } = stage();
    const proxy = await startProxy(awsEndpoint());
    stage().after(() => proxy.close());
    const { transport } = await open({ endpoint: proxy.url });
    const back = await proxy.away();
    await expect(listed(transport.deadLetters, id, 1)).rejects.toMatchObject({ code: 'CONNECTION' });
    await back();
    expect(await listed(transport.deadLetters, id, 1)).toEqual([]);
    await transport.close();
    await expect(transport.deadLetters.purge(id)).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('are not waited with when they are redriven: one signal ends it, and none is lost', async () => {
    const { seen } = await withLetters(20);
    const { open, mark, after } = stage();
    const proxy = await startProxy(awsEndpoint());
    after(() => proxy.close());
    const { transport } = await open({ endpoint: proxy.url });
    const controller = new AbortController();
    let back = async (): Promise<void> => undefined;
    let asked = 0;
    const select = async (): Promise<boolean> => {
      if (++asked === 10) {
        back = await proxy.away();
        controller.abort(new Error('as the test wants it'));
      }
      return true;
    };
    const { signal } = controller;
    const began = performance.now();
    await expect(transport.deadLetters.redrive(id, { select, signal })).rejects.toThrow();
    expect(performance.now() - began).toBeLessThan(30_000);
    expect(asked).toBe(10);
    await back();
    const handled = (): number => new Set(seen.map(({ message }) => message.id)).size;
    // What was in hand is there all the same, and shows again when its time is up.
    const there = await countInSqs(mark, 'group.order--dead');
    expect(there).toBeGreaterThanOrEqual(10);
    await until(() => there + handled() >= 20, 'each to be in one place at least');
  });
});
