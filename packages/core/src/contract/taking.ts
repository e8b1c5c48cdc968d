import type { DeadLetterHead, Taking } from './dead-letter-store.js';

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

/**
 * Goes through dead letters and takes out those that are meant, some at a time; whatever was begun is finished before
 * anyone is waited for, and before it ends by an abort or a failure. Answers how many are gone.
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

  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    const some = batch;
    batch = [];
    const { gone, failure: failed } = await settle(some).catch((error: unknown) => ({
      gone: [],
      failure: { error },
    }));
    failure ??= failed;
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
