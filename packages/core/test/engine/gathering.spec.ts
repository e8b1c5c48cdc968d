import { describe, expect, it } from '@jest/globals';
import { createGathering, type Gathered, type Gathering } from '../../src/engine/gathering.js';

interface Named extends Gathered {
  readonly name: string;
}

let sequence = 0;

/** The first letter of a name is its key. */
const entry = (name: string, own: Partial<Gathered> = {}): Named => ({
  name,
  key: name[0],
  sequence: sequence++,
  alone: false,
  since: 0,
  ...own,
});

function gathering(size: number, ...entries: Named[]): Gathering<Named> {
  const made = createGathering<Named>(size, 100);
  for (const each of entries) made.add(each);
  return made;
}

/** The names of the next batch, or when there will be one. */
function next(from: Gathering<Named>, now: number): string[] | number | undefined {
  const found = from.next(now);
  return 'batch' in found ? found.batch.map(({ name }) => name) : found.at;
}

describe('gathering', () => {
  it('completes a batch by its size, oldest first', () => {
    const waits = gathering(2, entry('a1'), entry('b1'), entry('c1'));
    expect(next(waits, 0)).toEqual(['a1', 'b1']);
    expect(next(waits, 0)).toBe(100);
    expect(waits.waiting).toBe(1);
  });

  it('completes a batch by the wait of its first', () => {
    const waits = gathering(5, entry('a1', { since: 20 }), entry('b1', { since: 50 }));
    expect(next(waits, 119)).toBe(120);
    expect(next(waits, 120)).toEqual(['a1', 'b1']);
    expect(next(waits, 120)).toBeUndefined();
  });

  it('takes what waited for a running batch of its key as soon as that has ended', () => {
    const waits = gathering(2, entry('a1'), entry('a2'));
    const first = waits.next(0) as { batch: Named[] };
    waits.add(entry('a3'));
    waits.add(entry('b1', { since: 150 }));
    expect(next(waits, 150)).toBe(250);
    waits.end(first.batch);
    expect(next(waits, 150)).toEqual(['a3', 'b1']);
  });

  it('puts what comes back in its old place, and holds up those of its key until then', () => {
    const [a1, a2, b1] = [entry('a1'), entry('a2'), entry('b1')];
    const waits = gathering(3, a2, b1);
    waits.add({ ...a1, since: 500 });
    expect(next(waits, 100)).toEqual(['b1']);
    expect(next(waits, 400)).toBe(500);
    expect(next(waits, 600)).toEqual(['a1', 'a2']);
  });

  it('hands over alone what shares no batch, at once, and not before those of its key', () => {
    const waits = gathering(
      3,
      entry('a1'),
      entry('b1'),
      entry('c1', { alone: true }),
      entry('b2', { alone: true }),
    );
    expect(next(waits, 0)).toEqual(['c1']);
    expect(next(waits, 0)).toBe(100);
    const both = waits.next(100) as { batch: Named[] };
    expect(both.batch.map(({ name }) => name)).toEqual(['a1', 'b1']);
    expect(next(waits, 100)).toBeUndefined();
    waits.end(both.batch);
    expect(next(waits, 100)).toEqual(['b2']);
  });

  it('holds nothing up that has no key', () => {
    const waits = gathering(2, entry('1', { key: undefined }), entry('2', { key: undefined, since: 900 }));
    waits.add(entry('3', { key: undefined }));
    expect(next(waits, 0)).toEqual(['1', '3']);
    expect(next(waits, 0)).toBe(900);
    expect(waits.remove(() => true).map(({ name }) => name)).toEqual(['2']);
    expect(waits.waiting).toBe(0);
  });
});
