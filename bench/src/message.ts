/** An order, as services send them to each other. */
export interface Message {
  /** Counts from 0 within a measurement. */
  readonly id: number;
  /** Microseconds since the epoch, when it was due to be sent. */
  readonly at: number;
  readonly lines: readonly { readonly sku: string; readonly quantity: number; readonly price: number }[];
  /** Fills it up to its size. */
  readonly note: string;
}

export const now = (): number => Math.round((performance.timeOrigin + performance.now()) * 1_000);

const LINE = { sku: 'mug-0815-blue', quantity: 2, price: 12.5 };
const ID_DIGITS = 7;

const bytes = (message: Message): number => Buffer.byteLength(JSON.stringify(message));

/** Makes messages whose JSON has `size` bytes, give or take the digits of the id. */
export function messages(size: number): (id: number, at?: number) => Message {
  const of = (count: number, note: string): Message => ({
    id: 10 ** (ID_DIGITS - 1),
    at: now(),
    lines: Array.from({ length: count }, () => LINE),
    note,
  });
  const room = size - bytes(of(0, ''));
  const each = bytes(of(2, '')) - bytes(of(1, ''));
  const count = Math.max(0, Math.floor(room / each));
  const { lines, note } = of(count, '-'.repeat(Math.max(0, size - bytes(of(count, '')))));
  return (id, at = now()) => ({ id, at, lines, note });
}
