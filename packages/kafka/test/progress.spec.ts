import { describe, expect, it } from '@jest/globals';
import { createProgress } from '../src/progress.js';

describe('Progress in a partition', () => {
  it('is behind the first that is not done, in whichever order they end', () => {
    const progress = createProgress<string>(10);
    const [a, b, c] = ['a', 'b', 'c'].map((record, at) => progress.hand(10 + at, record)) as never[];
    expect([progress.position, progress.handed, progress.inHand]).toEqual([10, 3, 3]);
    progress.end(b!, 'done');
    expect(progress.position).toBe(10);
    progress.end(a!, 'done');
    expect([progress.position, progress.passed]).toEqual([12, 2]);
    progress.end(c!, 'done');
    expect([progress.position, progress.passed, progress.inHand]).toEqual([13, 3, 0]);
  });

  it('steps over offsets for which there are no records', () => {
    const progress = createProgress<string>(0);
    progress.end(progress.hand(5, 'a'), 'done');
    expect(progress.position).toBe(6);
    const late = progress.hand(9, 'b');
    expect(progress.position).toBe(9);
    progress.end(late, 'done');
    progress.skipTo(20);
    progress.skipTo(15);
    expect(progress.position).toBe(20);
  });

  it('does not pass what is kept, and knows which of it has something done behind', () => {
    const progress = createProgress<string>(0);
    const handed = ['a', 'b', 'c', 'd'].map((record, at) => progress.hand(at, record));
    progress.end(handed[0]!, 'done');
    progress.end(handed[1]!, 'kept');
    progress.end(handed[2]!, 'done');
    progress.end(handed[3]!, 'kept');
    expect(progress.position).toBe(1);
    expect(progress.kept().map(({ handed: { record }, gap }) => [record, gap])).toEqual([
      ['b', true],
      ['d', false],
    ]);
    // Handed back to the broker as new records, or handed over once more.
    progress.end(handed[1]!, 'done');
    expect(progress.position).toBe(3);
    progress.handAgain(handed[3]!);
    expect([progress.inHand, progress.kept()]).toEqual([1, []]);
    progress.end(handed[3]!, 'done');
    expect([progress.position, progress.inHand]).toEqual([4, 0]);
  });

  it('never passes a gap, whatever the order, over many records', () => {
    let seed = 1;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const progress = createProgress<number>(0);
    const open = new Map<number, ReturnType<typeof progress.hand>>();
    let offset = 0;
    for (let step = 0; step < 20_000; step++) {
      if (open.size < 50 && random() < 0.6) {
        offset += 1 + Math.floor(random() * 3);
        open.set(offset, progress.hand(offset, offset));
      } else if (open.size > 0) {
        const [key, handed] = [...open][Math.floor(random() * open.size)]!;
        open.delete(key);
        progress.end(handed, 'done');
      }
      expect(progress.position).toBe(
        open.size > 0
          ? Math.min(...open.keys())
          : step === 0
            ? progress.position
            : offset === 0
              ? 0
              : offset + 1,
      );
      expect(progress.inHand).toBe(open.size);
    }
    expect(progress.handed - progress.passed).toBeLessThan(20_000);
  });
});
