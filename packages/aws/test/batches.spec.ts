import { describe, expect, it } from '@jest/globals';
import { systemClock } from '@nest-messaging/core/contract';
import { createBatches, type BatchesParts } from '../src/batches.js';
import { until } from './support/stage.js';

/** Requests as they were made, each answered when the test says so. */
function played(parts: Partial<BatchesParts<string>> = {}) {
  const requests: string[][] = [];
  const answers: ((outcomes: readonly unknown[]) => void)[] = [];
  const fails: ((error: unknown) => void)[] = [];
  const batches = createBatches<string>({
    linger: 3,
    clock: systemClock,
    send: (items) => {
      requests.push([...items]);
      return new Promise((resolve, reject) => {
        answers.push(resolve);
        fails.push(reject);
      });
    },
    ...parts,
  });
  const requested = (count: number): Promise<void> =>
    until(() => requests.length >= count, `${count} requests`);
  return { batches, requests, answers, fails, requested };
}

/** The same, where all is done at once. */
function done(parts: Partial<BatchesParts<string>> = {}) {
  const requests: string[][] = [];
  const batches = createBatches<string>({
    linger: 3,
    clock: systemClock,
    send: async (items) => {
      requests.push([...items]);
      return items.map(() => undefined);
    },
    ...parts,
  });
  return { batches, requests };
}

const texts = (count: number, prefix = 'm'): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}`);
const wrong = new Error('wrong');
/** `a1` and `a2` are of lane `a`. */
const lane = (item: string): string => item[0]!;

describe('what is asked for at the same time', () => {
  it('shares requests of ten', async () => {
    const { batches, requests } = done();
    await Promise.all(texts(25).map((text) => batches.add(text)));
    expect(requests.map(({ length }) => length)).toEqual([10, 10, 5]);
  });

  it('shares requests of so many bytes', async () => {
    const { batches, requests } = done({ size: (item) => item.length, bytes: 10 });
    await Promise.all(['12345', '12345', '1', '123456789'].map((text) => batches.add(text)));
    expect(requests).toEqual([
      ['12345', '12345'],
      ['1', '123456789'],
    ]);
  });

  it('goes alone where it is not to wait', async () => {
    const { batches, requests } = done({ linger: 0 });
    await Promise.all(texts(3).map((text) => batches.add(text)));
    expect(requests).toEqual([['m0'], ['m1'], ['m2']]);
  });

  it('does not wait for others of later turns where nothing is on its way and it is to go at once', async () => {
    const { batches, requests, answers, requested } = played({ linger: 60_000, atOnce: true });
    const first = [batches.add('m0'), batches.add('m1')];
    await requested(1);
    const later = texts(10, 'n').map((text) => batches.add(text));
    const last = batches.add('o0');
    await requested(2);
    expect(requests).toEqual([['m0', 'm1'], texts(10, 'n')]);
    answers[0]!([undefined, undefined]);
    answers[1]!(texts(10).map(() => undefined));
    await Promise.all([...first, ...later]);
    await requested(3);
    answers[2]!([undefined]);
    await last;
  });

  it('waits until it may be sent', async () => {
    let paused = true;
    const { batches, requests } = done({ paused: () => paused });
    const added = Promise.all(texts(20).map((text) => batches.add(text)));
    expect(requests).toEqual([]);
    paused = false;
    batches.resume();
    await added;
    expect(requests).toHaveLength(2);
  });
});

describe('an entry', () => {
  it('that fails rejects alone', async () => {
    const { batches, answers, requested } = played();
    const added = texts(3).map((text) => batches.add(text));
    await requested(1);
    answers[0]!([undefined, wrong, undefined]);
    const results = await Promise.allSettled(added);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('that may succeed later is sent again, without those that are done', async () => {
    const { batches, requests, answers, requested } = played({ remedy: () => 'again' });
    const added = Promise.all(texts(3).map((text) => batches.add(text)));
    await requested(1);
    answers[0]!([undefined, wrong, undefined]);
    await requested(2);
    answers[1]!([undefined]);
    await added;
    expect(requests).toEqual([['m0', 'm1', 'm2'], ['m1']]);
  });

  it('that spoils a request fails alone, when each has been sent for itself', async () => {
    const requests: string[][] = [];
    const { batches } = done({
      remedy: () => 'alone',
      async send(items) {
        requests.push([...items]);
        if (items.includes('m1')) throw wrong;
        return items.map(() => undefined);
      },
    });
    const results = await Promise.allSettled(texts(3).map((text) => batches.add(text)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(requests).toEqual([['m0', 'm1', 'm2'], ['m0'], ['m1'], ['m2']]);
  });

  it('that waits is not sent once its signal aborts', async () => {
    const { batches, requests } = done({ linger: 20 });
    const limit = new AbortController();
    const given = batches.add('m0', limit.signal);
    const kept = batches.add('m1');
    limit.abort(wrong);
    await expect(given).rejects.toBe(wrong);
    await kept;
    expect(requests).toEqual([['m1']]);
  });

  it('that is on its way rejects at once when its signal aborts, and is not sent again', async () => {
    const { batches, requests, answers, requested } = played({ remedy: () => 'again' });
    const limit = new AbortController();
    const given = batches.add('m0', limit.signal);
    const other = batches.add('m1');
    await requested(1);
    limit.abort(wrong);
    await expect(given).rejects.toBe(wrong);
    answers[0]!([wrong, wrong]);
    await requested(2);
    answers[1]!([undefined]);
    await other;
    expect(requests).toEqual([['m0', 'm1'], ['m1']]);
  });
});

describe('those of one lane', () => {
  it('are never on their way in two requests', async () => {
    const { batches, requests, answers, requested } = played({ lane });
    const added = Promise.all([...texts(12, 'a'), ...texts(3, 'b')].map((text) => batches.add(text)));
    await requested(2);
    expect(requests).toEqual([texts(10, 'a'), texts(3, 'b')]);
    answers[0]!(texts(10).map(() => undefined));
    await requested(3);
    expect(requests[2]).toEqual(['a10', 'a11']);
    answers[1]!([undefined, undefined, undefined]);
    answers[2]!([undefined, undefined]);
    await added;
  });

  it('wait for one of them that is sent again, and others do not', async () => {
    const { batches, requests, answers, requested } = played({ lane, remedy: () => 'again' });
    const first = batches.add('a0');
    await requested(1);
    const later = [batches.add('a1'), batches.add('b0')];
    answers[0]!([wrong]);
    await requested(2);
    expect(requests[1]).toEqual(['b0']);
    answers[1]!([undefined]);
    await requested(3);
    expect(requests[2]).toEqual(['a0', 'a1']);
    answers[2]!([undefined, undefined]);
    await Promise.all([first, ...later]);
  });

  it('keep their order when each has to be sent for itself', async () => {
    const sent: string[] = [];
    const { batches } = done({
      lane,
      remedy: () => 'alone',
      async send(items) {
        if (items.length > 1) throw wrong;
        sent.push(...items);
        return [undefined];
      },
    });
    await Promise.all(texts(15, 'a').map((text) => batches.add(text)));
    expect(sent).toEqual(texts(15, 'a'));
  });
});

describe('flushing', () => {
  it('does not wait for an answer that nobody waits for', async () => {
    const { batches, requested } = played();
    const limit = new AbortController();
    const given = batches.add('m0', limit.signal);
    await requested(1);
    limit.abort(wrong);
    await expect(given).rejects.toBe(wrong);
    await batches.flush();
    expect(batches.idle).toBe(false);
  });

  it('sends at once, and ends when all is done', async () => {
    const { batches, answers, requested } = played({ linger: 60_000 });
    const added = batches.add('m0');
    const flushed = batches.flush();
    await requested(1);
    expect(batches.idle).toBe(false);
    answers[0]!([undefined]);
    await flushed;
    await added;
    expect(batches.idle).toBe(true);
  });
});

describe('abandoning', () => {
  it('rejects what waits, what is on its way and what was to be sent again, and sends no more', async () => {
    const { batches, requests, answers, requested } = played({ remedy: () => 'again' });
    const added = Promise.allSettled([batches.add('m0'), batches.add('m1')]);
    await requested(1);
    answers[0]!([wrong, undefined]);
    const underway = Promise.allSettled(texts(10, 'n').map((text) => batches.add(text)));
    await requested(2);
    const waits = Promise.allSettled([batches.add('o0')]);
    batches.abandon(wrong);
    const outcomes = [...(await added), ...(await underway), ...(await waits)];
    expect(outcomes.map(({ status }) => status)).toEqual([
      'rejected',
      'fulfilled',
      ...texts(11).map(() => 'rejected'),
    ]);
    answers[1]!(texts(10).map(() => wrong));
    await batches.flush();
    await until(() => batches.idle, 'nothing to be on its way');
    expect(requests).toHaveLength(2);
  });
});
