import assert from 'node:assert/strict';
import type { SubscriptionId } from '@nest-messaging/core/contract';
import { concern, type Guarantee } from './guarantee.js';
import type { HandlerDraft, Service } from './service.js';
import type { Stage } from './stage.js';

const support: Guarantee['support'] = ({ replay: can }) => can;

const refusal = async ({ serve, topic, until, broker }: Stage): Promise<void> => {
  const service = await serve([{ on: topic(), handle() {} }]);
  const replaying = service.engine.subscriptions.replay(idOf(service, topic()), 'beginning');
  await assert.rejects(replaying, (error: Error & { code?: string }) => {
    assert.equal(error.code, 'UNSUPPORTED');
    assert.ok(error.message.includes(broker.name), `'${error.message}' does not name the broker`);
    return true;
  });
  await service.publish(topic(), 'after');
  await until(() => service.count('handled') === 1, 'handling to go on');
};

const idOf = (service: Service, name: string, group?: string): SubscriptionId => ({
  source: { kind: 'topic', name },
  group: group ?? service.used.environment.service,
});

/** A handler that remembers its payloads and attempts. */
function recording(on: string): HandlerDraft & { readonly seen: unknown[]; readonly attempts: number[] } {
  const seen: unknown[] = [];
  const attempts: number[] = [];
  return {
    on,
    seen,
    attempts,
    handle(payload, { attempt }) {
      seen.push(payload);
      attempts.push(attempt);
    },
  };
}

async function handled({ until }: Stage, service: Service, count: number): Promise<void> {
  await until(() => service.count('handled') === count, `${count} to be handled`);
}

/** Lets time pass, so that a moment can be told from those before and after it. */
async function pass({ until, clock }: Stage): Promise<number> {
  let passed = false;
  clock.schedule(() => (passed = true), 50);
  await until(() => passed, 'time to pass');
  const moment = clock.now();
  passed = false;
  clock.schedule(() => (passed = true), 50);
  await until(() => passed, 'time to pass');
  return moment;
}

export const replay = concern('Replay', (states) => {
  const replays = (name: string, run: Guarantee['run']): void => states(name, run, { support, refusal });

  replays(
    'A replay from the beginning delivers again what was handled, at its first attempt',
    async (stage) => {
      const { serve, topic } = stage;
      const handler = recording(topic());
      const service = await serve([handler]);
      for (const n of [1, 2, 3]) await service.publish(topic(), n);
      await handled(stage, service, 3);
      await service.engine.subscriptions.replay(idOf(service, topic()), 'beginning');
      await handled(stage, service, 6);
      assert.deepEqual(new Set(handler.seen.slice(3)), new Set([1, 2, 3]));
      assert.deepEqual(handler.attempts, [1, 1, 1, 1, 1, 1]);
      await service.publish(topic(), 4);
      await handled(stage, service, 7);
    },
  );

  replays('A replay from a time delivers what was published since then, and nothing older', async (stage) => {
    const { serve, topic } = stage;
    const handler = recording(topic());
    const service = await serve([handler]);
    await service.publish(topic(), 'older');
    await handled(stage, service, 1);
    const moment = await pass(stage);
    await service.publish(topic(), 'newer');
    await handled(stage, service, 2);
    await service.engine.subscriptions.replay(idOf(service, topic()), moment);
    await handled(stage, service, 3);
    await service.publish(topic(), 'last');
    await handled(stage, service, 4);
    assert.deepEqual(handler.seen, ['older', 'newer', 'newer', 'last']);
  });

  replays('A replay concerns its own group alone', async (stage) => {
    const { serve, topic, group } = stage;
    const service = await serve([recording(topic())]);
    const other = await serve([recording(topic())], { service: group('other') });
    await service.publish(topic(), 'once');
    await handled(stage, service, 1);
    await handled(stage, other, 1);
    await other.engine.drain(10_000);
    await other.engine.close();
    await service.engine.subscriptions.replay(idOf(service, topic()), 'beginning');
    await handled(stage, service, 2);
    const handler = recording(topic());
    const again = await serve([handler], { service: group('other') });
    await service.publish(topic(), 'last');
    await handled(stage, again, 1);
    assert.deepEqual(handler.seen, ['last']);
  });

  replays('A replay skips nothing that is still to be handled', async (stage) => {
    const { serve, topic, until } = stage;
    const handler = recording(topic());
    const service = await serve([handler]);
    const id = idOf(service, topic());
    await service.engine.subscriptions.pause(id);
    await service.publish(topic(), 'due');
    const moment = await pass(stage);
    await service.engine.subscriptions.replay(id, moment);
    const { parts } = await service.engine.health();
    assert.ok(
      parts.some(({ paused }) => paused),
      'what was paused goes on',
    );
    await service.engine.subscriptions.resume(id);
    await until(() => handler.seen.includes('due'), 'what was still to be handled');
  });

  replays(
    'A replay is refused while another process takes messages of the group, and both go on',
    async (stage) => {
      const { serve, topic } = stage;
      const service = await serve([recording(topic())]);
      const other = await serve([recording(topic())]);
      await service.publish(topic(), 'once');
      await stage.until(() => service.count('handled') + other.count('handled') === 1, 'it to be handled');
      const id = idOf(service, topic());
      await assert.rejects(
        service.engine.subscriptions.replay(id, 'beginning'),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'TOPOLOGY');
          assert.ok(error.message.includes(topic()), `'${error.message}' does not name what runs`);
          return true;
        },
      );
      await other.engine.subscriptions.pause(id);
      const before = service.count('handled');
      await service.publish(topic(), 'last');
      await handled(stage, service, before + 1);
      // With the other one paused, it is as good as alone.
      await service.engine.subscriptions.replay(id, 'beginning');
      await handled(stage, service, before + 3);
    },
  );

  replays('A subscription can be replayed by a process that has no handler of it', async (stage) => {
    const { serve, topic, group } = stage;
    const first = await serve([recording(topic())]);
    await first.publish(topic(), 'once');
    await handled(stage, first, 1);
    await first.engine.drain(10_000);
    await first.engine.close();
    const operator = await serve([], { service: group('operator') });
    await operator.engine.subscriptions.replay(idOf(first, topic()), 'beginning');
    const second = await serve([recording(topic())]);
    await handled(stage, second, 1);
  });

  replays('A replay of a subscription that does not exist is refused, and makes none', async (stage) => {
    const { serve, topic, group } = stage;
    const operator = await serve([], { service: group('operator') });
    const id = idOf(operator, topic(), group('unknown'));
    for (let i = 0; i < 2; i++)
      await assert.rejects(operator.engine.subscriptions.replay(id, 'beginning'), { code: 'TOPOLOGY' });
  });
});
