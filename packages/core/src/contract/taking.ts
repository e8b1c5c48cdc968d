import type { Clock } from './clock.js';
import type { DeadLetterHead, Taking } from './dead-letter-store.js';
import { ConnectionError } from './errors.js';

/** A dead letter as a transport has found it, with what it needs to settle it. */
interface Found {
  readonly letter: DeadLetterHead;
}

/** What became of some. */
export interface Taken<Letter> {
  readonly gone: readonly Letter[];
  /** Why others are not. */
  readonly failure?: { readonly error: unknown } | undefined;
}

/** Taken out together: what is done with, and not yet gone, when a process is killed. */
const WINDOW = 100;

/** Milliseconds: as long as a publish has by default. Whoever interrupts a redrive waits for no longer. */
const SEND_WITHIN = 10_000;

/**
 * Sends what is taken out, or a note of it. Whoever is interrupted waits until that is done: so it must come to an end by
 * itself, where a publish would wait for a broker that is away.
 * @param ended gives it up before, with its reason
 * @throws {ConnectionError} if it is not confirmed within 10 s; it may have arrived all the same
 */
export async function sendTaken(
  clock: Clock,
  ended: AbortSignal,
  send: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const over = new AbortController();
  const late = (): void =>
    over.abort(
      new ConnectionError(
        `the broker has not confirmed within ${SEND_WITHIN} ms what was to be taken out of the dead letters: what is not confirmed is there still, call again when the broker is back`,
      ),
    );
  const end = (): void => over.abort(ended.reason);
  const cancel = clock.schedule(late, SEND_WITHIN);
  ended.addEventListener('abort', end);
  if (ended.aborted) end();
  try {
    await send(over.signal);
  } finally {
    cancel();
    ended.removeEventListener('abort', end);
  }
}

/**
 * Goes through dead letters and takes out those that are meant, some at a time; whatever was begun is finished before
 * anyone is waited for, and before it ends by an abort or a failure. Once some could not be taken out, no others are
 * begun. Answers how many are gone.
 * @param onKept told of each that is not meant
 */
export async function takeOut<Letter extends Found>(
  letters: AsyncIterable<Letter>,
  { select, signal, onGone }: Taking,
  settle: (some: readonly Letter[]) => Promise<Taken<Letter>>,
  onKept: (found: Letter) => void = () => {},
): Promise<number> {
  let count = 0;
  let batch: Letter[] = [];
  let failure: { readonly error: unknown } | undefined;
  let refused = false;

  const flush = async (): Promise<void> => {
    if (batch.length === 0 || refused) return;
    const some = batch;
    batch = [];
    const { gone, failure: failed } = await settle(some).catch((error: unknown) => ({
      gone: [],
      failure: { error },
    }));
    failure ??= failed;
    refused = failed !== undefined;
    for (const { letter } of gone) {
      count++;
      onGone?.(letter);
    }
  };

  try {
    for await (const found of letters) {
      signal?.throwIfAborted();
      let wanted = select?.(found.letter) ?? true;
      if (typeof wanted !== 'boolean') {
        const [answer, flushed] = await Promise.allSettled([wanted, flush()]);
        if (flushed.status === 'rejected') throw flushed.reason;
        if (answer.status === 'rejected') throw answer.reason;
        wanted = answer.value;
      }
      if (!wanted) onKept(found);
      else if (batch.push(found) >= WINDOW) await flush();
      if (failure) break;
    }
  } catch (error) {
    failure ??= { error };
  }
  await flush();
  if (failure) throw failure.error;
  return count;
}
