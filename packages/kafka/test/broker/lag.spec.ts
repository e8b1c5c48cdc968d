import { expect } from '@jest/globals';
import { acknowledge, onEachDriver, until, type Application } from '../stage.js';

async function lags({ transport }: Application): Promise<Record<string, number | undefined>> {
  const { parts } = await transport.health();
  return Object.fromEntries(parts.filter(({ lag }) => lag !== undefined).map(({ name, lag }) => [name, lag]));
}

onEachDriver('The lag of a subscription in health', (test) => {
  test('is what it has not done, in hand or not yet, and nothing in the end; each has its own', async ({
    open,
  }) => {
    const application = await open();
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const probe = await application.subscribe(
      'a',
      async () => {
        await held;
        return acknowledge;
      },
      { maxUnsettled: 4 },
    );
    const other = await application.subscribe('a', undefined, { group: 'other' });
    const [name, otherName] = ["topic 'a' of group 'group'", "topic 'a' of group 'other'"];
    await until(async () => (await lags(application))[name] === 0, 'none at first');
    for (let n = 1; n <= 10; n++) await application.publish('a', `${n}`);
    await until(() => probe.seen.length === 4 && other.seen.length === 10, 'those in hand');
    await until(async () => (await lags(application))[name] === 10, 'all of them to be known');
    await until(async () => (await lags(application))[otherName] === 0, 'the other to have none');
    letGo();
    await until(async () => (await lags(application))[name] === 0, 'all to be done');
    expect(probe.seen).toHaveLength(10);
    expect((await application.transport.health()).ready).toBe(true);
  });
});
