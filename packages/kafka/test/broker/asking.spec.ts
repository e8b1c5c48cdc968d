import { expect } from '@jest/globals';
import type { Transport } from '@nest-messaging/core/contract';
import { startProxy } from '../proxy.js';
import { listed } from '../../../../test/support/dead-letters.js';
import { deadLetter, onEachDriver, until } from '../stage.js';

const id = { source: { kind: 'topic', name: 'a' }, group: 'group' } as const;

/** All that an application may ask about a subscription. */
const questions: Readonly<Record<string, (transport: Transport) => Promise<unknown>>> = {
  browse: ({ deadLetters }) => listed(deadLetters, id, 10),
  redrive: ({ deadLetters }) => deadLetters.redrive(id),
  purge: ({ deadLetters }) => deadLetters.purge(id),
  replay: (transport) => transport.replay!(id, 'beginning'),
};

const codes = (transport: Transport): Promise<Record<string, string>[]> =>
  Promise.all(
    Object.entries(questions).map(async ([name, ask]) => ({
      [name]: await ask(transport).then(
        () => 'answered',
        (error: { code: string; name: string }) => `${error.name} ${error.code}`,
      ),
    })),
  );

const all = (code: string): Record<string, string>[] =>
  Object.keys(questions).map((name) => ({ [name]: code }));

onEachDriver('What is asked about a subscription', (test) => {
  test('is refused with the module’s own errors while Kafka is away, and answered once it is back', async ({
    open,
    brokers,
    after,
  }) => {
    const proxy = await startProxy(brokers[0]!);
    after(() => proxy.close());
    const application = await open({ brokers: [proxy.address] });
    const probe = await application.subscribe('a', () => deadLetter());
    await application.publish('a');
    const letters = async (): Promise<number> =>
      (await listed(application.transport.deadLetters, id, 10)).length;
    await until(letters, 'the dead letter');
    await probe.stop();
    const comeBack = await proxy.away();
    expect(await codes(application.transport)).toEqual(all('ConnectionError CONNECTION'));
    await comeBack();
    await until(() => letters().catch(() => 0), 'an answer');
    expect(await letters()).toBe(1);
  });

  test('is refused as closed where the transport closes meanwhile', async ({ open, brokers, after }) => {
    const proxy = await startProxy(brokers[0]!);
    after(() => proxy.close());
    const application = await open({ brokers: [proxy.address] });
    await (await application.subscribe('a')).stop();
    proxy.swallow();
    const asked = codes(application.transport);
    await application.transport.close();
    expect(await asked).toEqual(all('ClosedError CLOSED'));
    expect(await codes(application.transport)).toEqual(all('ClosedError CLOSED'));
  });
});

onEachDriver('A subscription that is being made', (test) => {
  test('ends when the transport closes', async ({ open, brokers, after }) => {
    const proxy = await startProxy(brokers[0]!);
    after(() => proxy.close());
    const application = await open({ brokers: [proxy.address] });
    await (await application.subscribe('a')).stop();
    proxy.swallow();
    const start = Date.now();
    const subscribing = application.subscribe('a').catch((error: unknown) => error);
    await application.transport.close();
    expect(await subscribing).toMatchObject({ name: 'ClosedError', code: 'CLOSED' });
    // Neither in the time limit of one request nor in that of all.
    expect(Date.now() - start).toBeLessThan(6_000);
  });
});
