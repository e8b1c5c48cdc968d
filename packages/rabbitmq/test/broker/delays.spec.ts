import { describe, expect, it } from '@jest/globals';
import { acknowledge, retry, until, useStage } from '../stage.js';

const stage = useStage();

describe('Delays', () => {
  it('40 messages to a topic without a subscriber hold up nobody in the same delay', async () => {
    const { open } = stage();
    const application = await open();
    const probe = await application.subscribe('wanted');
    await Promise.all(Array.from({ length: 40 }, () => application.publish('unwanted', '', { delay: 700 })));
    const start = Date.now();
    await application.publish('wanted', '', { delay: 700 });
    await until(() => probe.seen.length === 1, 'the one that is wanted', 5_000);
    expect(probe.seen[0]!.at - start).toBeGreaterThanOrEqual(690);
    expect(probe.seen[0]!.at - start).toBeLessThan(1_700);
  });

  it('keep 40 retried messages whose queue was deleted, and go on for the others', async () => {
    const { open, foreign, mark } = stage();
    const application = await open();
    const gone = await application.subscribe('gone', () => retry(700), { maxUnsettled: 50 });
    await Promise.all(Array.from({ length: 40 }, (_, i) => application.publish('gone', `${i}`)));
    await until(() => gone.seen.length === 40, 'all to be retried');
    await gone.stop();
    const { channel } = await foreign();
    await channel.deleteQueue(`${mark}.group.gone`);
    const probe = await application.subscribe('here', ({ attempt }) =>
      attempt < 2 ? retry(700) : acknowledge,
    );
    await application.publish('here');
    await until(() => probe.seen.length === 2, 'the other retry');
    expect(probe.seen[1]!.at - probe.seen[0]!.at).toBeLessThan(1_700);
    await until(
      async () => (await channel.checkQueue(`${mark}.service--strays`)).messageCount === 40,
      'the strays',
    );
  });

  it('of any length go side by side, each due within a second or a tenth', async () => {
    const { open } = stage();
    const application = await open();
    const delays = Array.from({ length: 60 }, (_, i) => 50 + ((i * 7_919) % 6_000));
    const probe = await application.subscribe('due', undefined, { maxUnsettled: 100 });
    const start = Date.now();
    await Promise.all(
      // A day behind each, which none of them may wait for.
      delays.flatMap((delay) => [
        application.publish('due', 'a day', { delay: 86_400_000 }),
        application.publish('due', `${delay}`, { delay }),
      ]),
    );
    const sent = Date.now() - start;
    await until(() => probe.seen.length === delays.length, 'all of them');
    for (const { text, at } of probe.seen) {
      const late = at - start - Number(text);
      expect(late).toBeGreaterThanOrEqual(0);
      expect(late).toBeLessThan(sent + Math.max(1_000, Number(text) / 10));
    }
  });

  it('are as many queues as the longest delay has binary digits, whatever the delays were', async () => {
    const { open, foreign, mark } = stage();
    const application = await open();
    for (const delay of [100, 1_111, 2_222, 3_333, 6_000]) await application.publish('a', '', { delay });
    const { connection } = await foreign();
    const exists = async (level: number): Promise<boolean> => {
      const channel = await connection.createChannel();
      channel.on('error', () => {});
      return channel.checkQueue(`${mark}.service--delay-${level}`).then(
        () => true,
        () => false,
      );
    };
    expect(await Promise.all(Array.from({ length: 23 }, (_, level) => exists(level)))).toEqual(
      Array.from({ length: 23 }, (_, level) => level < 6),
    );
  });
});
