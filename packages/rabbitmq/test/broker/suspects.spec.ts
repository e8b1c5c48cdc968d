import { describe, expect, it } from '@jest/globals';
import type { Settlement } from '@nest-messaging/core/contract';
import { deferred } from '../../../core/src/engine/deferred.js';
import { startProxy } from '../proxy.js';
import { rabbitmqUrl } from '../../../../test/support/rabbitmq.js';
import {
  acknowledge,
  deadLetter,
  release,
  retry,
  until,
  useStage,
  type Application,
  type Probe,
} from '../stage.js';
import { listed } from '../../../../test/support/dead-letters.js';

const stage = useStage();

type Handled = Probe['seen'][number];

/** A process: a transport on a way of its own, which ends as a killed process does, without a word. */
async function startProcess(
  handle: (delivery: { text: string; deaths: number; attempt: number }) => Settlement | Promise<Settlement>,
  more = {},
): Promise<{ application: Application; probe: Probe; kill(): Promise<void> }> {
  const proxy = await startProxy(rabbitmqUrl());
  stage().after(() => proxy.close());
  const application = await stage().open({ url: proxy.url });
  const probe = await application.subscribe(
    'a',
    ({ message, deaths, attempt }) => handle({ text: Buffer.from(message.body).toString(), deaths, attempt }),
    more,
  );
  return {
    application,
    probe,
    async kill() {
      await proxy.away();
    },
  };
}

const forever = (): Promise<never> => new Promise(() => {});

/** As the engine decides, with so many attempts. */
const dies =
  (attempts: number) =>
  async ({ text, deaths, attempt }: { text: string; deaths: number; attempt: number }) => {
    if (deaths > 0 && attempt + deaths > attempts)
      return { ...deadLetter, attempts: attempt - 1 + deaths } as Settlement;
    return text === 'killer' ? forever() : acknowledge;
  };

describe('A message that kills its process', () => {
  it('is dead-lettered after its attempts, and none of the nine in flight beside it', async () => {
    const handled: Handled[] = [];
    let lives = 0;
    const publishing = await stage().open();
    const probe = await publishing.subscribe('a');
    await probe.stop();
    for (let i = 0; i < 10; i++) await publishing.publish('a', i === 4 ? 'killer' : `innocent ${i}`);
    const letters = () => listed(publishing.transport.deadLetters, probe.subscription, 99);
    while ((await letters()).length === 0 && lives++ < 12) {
      let striking = false;
      const process = await startProcess((delivery) => {
        // At first everything is in hand when the killer strikes, and nothing else was settled.
        if (lives <= 2) return forever();
        striking ||= delivery.text === 'killer' && delivery.attempt + delivery.deaths <= 3;
        return dies(3)(delivery);
      });
      if (lives <= 2) await until(() => process.probe.seen.length === 10, 'all ten in hand');
      else await until(async () => striking || (await letters()).length > 0, 'the killer to strike');
      handled.push(...process.probe.seen);
      await process.kill();
    }
    expect((await letters()).map(({ message }) => Buffer.from(message.body).toString())).toEqual(['killer']);
    const [letter] = await letters();
    expect(letter!.attempts).toBe(3);
    expect(letter!.message.destination).toEqual({ kind: 'topic', name: 'a' });
    // Two lives among others, three alone.
    expect(lives).toBe(6);
    const last = await startProcess(dies(3));
    await publishing.publish('a', 'last');
    await until(() => last.probe.texts.includes('last'), 'the last');
    await until(async () => {
      const texts = new Set([...handled, ...last.probe.seen].map(({ text }) => text));
      return texts.size === 11;
    }, 'every innocent to be handled');
    expect((await letters()).length).toBe(1);
  });

  it('is counted only when it was alone, and by what others gave back in good order not at all', async () => {
    const publishing = await stage().open();
    const first = await startProcess(() => forever(), { maxUnsettled: 5 });
    for (let i = 0; i < 5; i++) await publishing.publish('a', `${i}`);
    await until(() => first.probe.seen.length === 5, 'five in hand');
    await first.kill();
    // Four rolling deployments, each of which gives back what it has.
    for (let life = 0; life < 4; life++) {
      let let_go = (): void => undefined;
      const gate = new Promise<void>((resolve) => (let_go = resolve));
      const process = await startProcess(
        async () => {
          await gate;
          return release;
        },
        { maxUnsettled: 5 },
      );
      await until(() => process.probe.seen.length > 0, 'some in hand');
      const stopped = process.probe.stop();
      let_go();
      await stopped;
      await process.application.transport.close();
      expect(process.probe.seen.every(({ attempt }) => attempt === 1)).toBe(true);
      expect(Math.max(...process.probe.seen.map(({ deaths }) => deaths))).toBe(0);
    }
    const last = await startProcess(() => acknowledge);
    await until(() => new Set(last.probe.texts).size === 5, 'all five');
    expect(last.probe.seen.every(({ attempt, deaths }) => attempt === 1 && deaths === 0)).toBe(true);
  });

  it('keeps its deaths through a failure, and its failures through a death', async () => {
    const publishing = await stage().open();
    await (await startProcess(() => forever())).kill();
    await publishing.publish('a', 'both');
    for (let life = 0; life < 2; life++) {
      const process = await startProcess(() => forever());
      await until(() => process.probe.seen.length === 1, 'it');
      await process.kill();
    }
    const dying = await startProcess(() => forever());
    await until(() => dying.probe.seen.length === 1, 'it, alone');
    expect(dying.probe.seen[0]).toMatchObject({ attempt: 1, deaths: 0 });
    await dying.kill();
    const failing = await startProcess(({ attempt }) => (attempt === 1 ? retry(100) : forever()));
    await until(() => failing.probe.seen.length === 2, 'it twice');
    expect(failing.probe.seen).toMatchObject([
      { attempt: 1, deaths: 1 },
      { attempt: 2, deaths: 1 },
    ]);
    await failing.kill();
    const last = await startProcess(() => acknowledge);
    await until(() => last.probe.seen.length === 1, 'it at last');
    expect(last.probe.seen[0]).toMatchObject({ attempt: 2, deaths: 2 });
  });

  it('never has more in hand than the subscription allows, suspects included', async () => {
    const publishing = await stage().open();
    await (await startProcess(() => forever(), { maxUnsettled: 1 })).kill();
    for (let i = 0; i < 6; i++) await publishing.publish('a', `${i}`);
    for (let life = 0; life < 2; life++) {
      const process = await startProcess(() => forever(), { maxUnsettled: 6 });
      await until(() => process.probe.seen.length === 6, 'six in hand');
      await process.kill();
    }
    let inHand = 0;
    let most = 0;
    const process = await startProcess(
      async () => {
        most = Math.max(most, ++inHand);
        await new Promise((resolve) => setImmediate(resolve));
        inHand--;
        return acknowledge;
      },
      { maxUnsettled: 1 },
    );
    for (let i = 6; i < 12; i++) await publishing.publish('a', `${i}`);
    await until(() => new Set(process.probe.texts).size === 12, 'all of them');
    expect(most).toBe(1);
  });

  it('is given back as it came by who stops before its turn, and counts no death', async () => {
    const { open, foreign, mark } = stage();
    const application = await open();
    const held = deferred();
    const probe = await application.subscribe('a', () => held.promise.then(() => acknowledge), {
      maxUnsettled: 1,
    });
    await application.publish('a', 'first');
    await until(() => probe.seen.length === 1, 'the handler to be busy');
    const { channel, connection } = await foreign();
    const suspects = `${mark}.group.a--suspect`;
    const sending = await connection.createConfirmChannel();
    sending.sendToQueue(suspects, Buffer.from('suspect'), { messageId: 's1' });
    await sending.waitForConfirms();
    // Delivered, and waiting for its turn.
    await until(
      async () => (await channel.checkQueue(suspects)).messageCount === 0,
      'the suspect to be in hand',
    );
    const stopped = probe.stop();
    held.resolve();
    await stopped;
    expect(probe.texts).toEqual(['first']);
    const back = await channel.get(suspects, { noAck: true });
    expect(back).toMatchObject({ fields: { redelivered: false }, properties: { messageId: 's1' } });
  });
});
