import { describe, expect, it } from '@jest/globals';
import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import type { Settlement, Subscription } from '@nest-messaging/core/contract';
import { acknowledge, until, useStage, type Application } from '../support/stage.js';

const stage = useStage();
const never = new Promise<Settlement>(() => undefined);

/** A process of the one subscription there is; what it has begun with, and how it stops. */
async function process(application: Application, handle: () => Promise<Settlement>, maxUnsettled = 20) {
  const begun: { readonly text: string; readonly at: number }[] = [];
  const subscription: Subscription = {
    source: { kind: 'topic', name: 'orders' },
    group: 'group',
    ordered: false,
    broadcast: false,
    maxUnsettled,
  };
  const consumer = await application.transport.subscribe(subscription, ({ message }) => {
    begun.push({ text: Buffer.from(message.body).toString(), at: Date.now() });
    return handle();
  });
  return { begun, consumer };
}

const texts = (count: number): string[] => Array.from({ length: count }, (_, at) => `m${at}`);

/** Far below the visibility time-out of 30 s. */
const AT_ONCE = 5_000;

describe('shutdown', () => {
  it('lets another process have at once what has not ended', async () => {
    const first = await stage().open();
    const leaving = await process(first, () => never);
    await Promise.all(texts(10).map((text) => first.publish('orders', text)));
    await until(() => leaving.begun.length === 10, 'all to have begun');
    const second = await stage().open();
    const closed = Date.now();
    await first.transport.close();
    const other = await process(second, async () => acknowledge);
    await until(() => other.begun.length === 10, 'all in the other process', AT_ONCE);
    expect(Math.max(...other.begun.map(({ at }) => at)) - closed).toBeLessThan(AT_ONCE);
  });

  it('leaves no poll behind that would take what is published afterwards', async () => {
    const { mark, sqs, queueUrl, open } = stage();
    const publishing = await open();
    for (let round = 1; round <= 3; round++) {
      const leaving = await open();
      const gone = await process(leaving, async () => acknowledge);
      await publishing.publish('orders', `before ${round}`);
      await until(() => gone.begun.length === 1, 'it to work');
      await leaving.transport.close();
    }
    const sent = Date.now();
    await publishing.publish('orders', 'afterwards');
    const { begun } = await process(await open(), async () => acknowledge);
    await until(() => begun.length === 1, 'it in the next process', AT_ONCE);
    expect(begun[0]!.text).toBe('afterwards');
    expect(begun[0]!.at - sent).toBeLessThan(AT_ONCE);
    const QueueUrl = await queueUrl(`${mark}_group_orders`);
    const names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
    await until(async () => {
      const { Attributes = {} } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...names] }),
      );
      return names.every((name) => Attributes[name] === '0');
    }, 'nothing to be left in the queue');
  });

  it('of one subscription leaves what is published just afterwards to others', async () => {
    const application = await stage().open();
    const { consumer } = await process(application, async () => acknowledge);
    await application.publish('orders', 'before');
    const other = await stage().open();
    const { begun } = await process(other, async () => acknowledge);
    await consumer.stop();
    const sent = Date.now();
    await Promise.all(texts(5).map((text) => application.publish('orders', text)));
    const seen = (): string[] => begun.map(({ text }) => text).filter((text) => text !== 'before');
    await until(() => seen().length === 5, 'all in the other process', AT_ONCE);
    expect(Date.now() - sent).toBeLessThan(AT_ONCE);
  });
});
