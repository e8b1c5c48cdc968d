/** First in, first out, in constant time: `Array.shift` moves every element once the array is large. */
export interface Fifo<T> {
  readonly length: number;
  push(item: T): void;
  shift(): T | undefined;
}

/** Below this, the consumed head is cheaper to keep than to cut off. */
const WORTH_CUTTING = 1_024;

export function createFifo<T>(): Fifo<T> {
  let items: (T | undefined)[] = [];
  let head = 0;
  return {
    get length() {
      return items.length - head;
    },
    push(item) {
      items.push(item);
    },
    shift() {
      if (head === items.length) return undefined;
      const item = items[head];
      items[head++] = undefined; // the array must not keep what has gone
      if (head === items.length) {
        items = [];
        head = 0;
      } else if (head >= WORTH_CUTTING && head * 2 >= items.length) {
        items = items.slice(head);
        head = 0;
      }
      return item;
    },
  };
}
