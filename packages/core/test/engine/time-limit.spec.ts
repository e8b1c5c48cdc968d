import { AsyncLocalStorage } from 'node:async_hooks';
import { getEventListeners, once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { HandlerTimeoutError } from '../../src/contract/index.js';
import { deferred } from '../../src/engine/deferred.js';
import { createTimeLimit, type Time } from '../../src/engine/time-limit.js';
import { countingClock } from '../support/counting-clock.js';

const forever = (): Promise<never> => new Promise(() => undefined);

function limiting() {
  const clock = countingClock();
  const deadline = new AbortController();
  return { clock, deadline, limited: createTimeLimit(clock, deadline.signal) };
}

/** How each ends, once the time given has passed. */
const outcome = (run: Promise<unknown>): Promise<unknown> => run.catch((error: unknown) => error);

describe('the time of a run', () => {
  it('is its own, though those that began in one millisecond share a timer', async () => {
    const { clock, limited } = limiting();
    const ends = deferred<string>();
    const first = limited(1_000, () => ends.promise);
    const second = outcome(limited(1_000, forever));
    const longer = outcome(limited(2_000, forever));
    await clock.advance(1);
    const later = outcome(limited(1_000, forever));
    expect(clock.timers).toBe(3);
    ends.resolve('done');
    expect(await first).toBe('done');
    await clock.advance(999);
    expect(await second).toEqual(new HandlerTimeoutError('the handler ran longer than 1000 ms'));
    expect(await Promise.race([later, Promise.resolve('runs')])).toBe('runs');
    await clock.advance(1);
    expect(await later).toBeInstanceOf(HandlerTimeoutError);
    await clock.advance(1_000);
    expect(await longer).toEqual(new HandlerTimeoutError('the handler ran longer than 2000 ms'));
  });

  it('is up when the deadline of all aborts, or the message is lost, whose listener goes with the run', async () => {
    const { clock, deadline, limited } = limiting();
    const [lost, other] = [new AbortController(), new AbortController()];
    const run = outcome(limited(1_000, forever, lost.signal));
    const rest = outcome(limited(1_000, forever, other.signal));
    lost.abort('it went elsewhere');
    expect(await run).toBe('it went elsewhere');
    deadline.abort('all must end');
    expect(await rest).toBe('all must end');
    expect(clock.timers).toBe(0);
    expect(getEventListeners(other.signal, 'abort')).toEqual([]);
  });

  it('leaves nothing behind once the run has ended, however it ends', async () => {
    const { clock, limited } = limiting();
    const { signal } = new AbortController();
    await Promise.all([
      limited(1_000, async () => 'done', signal),
      outcome(limited(1_000, () => Promise.reject(new Error('wrong')), signal)),
    ]);
    expect(clock.timers).toBe(0);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('is told where the handler listens, and not where the timer was set', async () => {
    const { clock, limited } = limiting();
    const storage = new AsyncLocalStorage<string>();
    const heard: (string | undefined)[] = [];
    const listening = async ({ signal }: Time): Promise<void> => {
      signal.addEventListener('abort', () => heard.push(storage.getStore()));
      await once(signal, 'abort');
    };
    const runs = ['one', 'other'].map((name) => outcome(storage.run(name, () => limited(1_000, listening))));
    await clock.advance(1_000);
    await Promise.all(runs);
    expect(heard).toEqual(['one', 'other']);
  });

  it('is up from the start for who asks for its signal late', async () => {
    const { clock, limited } = limiting();
    let time!: Time;
    const run = outcome(limited(1_000, (given) => ((time = given), forever())));
    await clock.advance(1_000);
    expect(time.over).toBe(true);
    expect(time.signal.reason).toBe(await run);
  });
});
