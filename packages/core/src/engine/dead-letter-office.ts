import { setMaxListeners } from 'node:events';
import * as v from 'valibot';
import {
  checkOptions,
  countSchema,
  UndecodableError,
  type Choice,
  type Clock,
  type DeadLetterContent,
  type DeadLetteredMessage,
  type DeadLetterHead,
  type DeadLetterStore,
  type Message,
  type SubscriptionId,
} from '../contract/index.js';
import {
  chosen,
  filterEntries,
  matching,
  type DeadLetterFilter,
  type Matches,
  type WhichDeadLetters,
} from './dead-letter-filter.js';
import { fromLine, linesOf, toLine } from './dead-letter-lines.js';
import { createPace } from './pace.js';

/** A dead letter as it is shown: with its payload only where that was asked for. */
export type ShownDeadLetter = Omit<DeadLetterHead, 'message'> & {
  readonly message: Omit<Message, 'body'> & Partial<Pick<Message, 'body'>>;
  /** Why its payload, which was asked for and lies elsewhere, cannot be had; `message.body` says where that is. */
  readonly unreadable?: string;
};

export interface DeadLetterPage {
  /** Oldest first. */
  readonly letters: readonly ShownDeadLetter[];
  /** Given as `after`, the page behind this one; undefined where there is none. */
  readonly next?: string;
}

export interface ListDeadLettersOptions extends DeadLetterFilter {
  /** Letters of a page, at most. @default 100 */
  readonly limit?: number;
  /** What the page before named as `next`. @default the oldest come first */
  readonly after?: string;
  /** Whether payloads are among what is answered; all of a page are in memory then. @default false */
  readonly payload?: boolean;
  /** Ends the call, which rejects with its reason. */
  readonly signal?: AbortSignal;
}

export interface ShowDeadLetterOptions {
  /** @default false */
  readonly payload?: boolean;
  /** Ends the call, which rejects with its reason. */
  readonly signal?: AbortSignal;
}

export interface ExportDeadLettersOptions {
  /** Ends the export, which throws its reason. */
  readonly signal?: AbortSignal;
}

export interface TakeDeadLettersOptions {
  /** Says what would be done, and changes nothing. @default false */
  readonly dryRun?: boolean;
  /**
   * Interrupts it: what is under way is finished, the rest is left as it is, and the call rejects with its reason. The
   * same call again goes on from there.
   */
  readonly signal?: AbortSignal;
  /** Told after each, how many they are so far. */
  readonly onProgress?: (count: number) => void;
}

export interface RedriveOptions extends TakeDeadLettersOptions {
  /** Messages a second, at most. @default as fast as the broker takes them */
  readonly rate?: number;
}

export interface DeadLettersTaken {
  readonly count: number;
  /** Of a dry run: the message ids of those that are meant, oldest first. */
  readonly ids?: readonly string[];
  /** Of a redrive: how many are meant and left, because they have expired. Left out where there is none. */
  readonly expired?: number;
}

export interface DeadLettersImported extends DeadLettersTaken {
  /** Lines that were left out, because a dead letter of that message id is there. */
  readonly skipped: number;
}

/**
 * What operators do with the dead letters of a subscription, over what any transport keeps of them. Nothing here needs
 * an application: a transport that is connected is enough.
 */
export interface DeadLetterOffice {
  /** Some of those that fit, oldest first. Looking takes none away. */
  list(id: SubscriptionId, options?: ListDeadLettersOptions): Promise<DeadLetterPage>;
  /** The oldest with this message id; undefined if there is none. */
  show(
    id: SubscriptionId,
    messageId: string,
    options?: ShowDeadLetterOptions,
  ): Promise<ShownDeadLetter | undefined>;
  /**
   * Gives them back to their own subscription, oldest first; attempts start anew. Those that have expired are left: their
   * handler would never see them, and they would be gone.
   */
  redrive(id: SubscriptionId, which: WhichDeadLetters, options?: RedriveOptions): Promise<DeadLettersTaken>;
  /** Deletes them. */
  purge(
    id: SubscriptionId,
    which: WhichDeadLetters,
    options?: TakeDeadLettersOptions,
  ): Promise<DeadLettersTaken>;
  /** Each as one line of JSON, payload included, with its line feed; takes none away. */
  export(
    id: SubscriptionId,
    which?: WhichDeadLetters,
    options?: ExportDeadLettersOptions,
  ): AsyncIterable<string>;
  /** Sets aside again what was exported of the same subscription, cut into pieces anywhere. */
  import(
    id: SubscriptionId,
    lines: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>,
    options?: TakeDeadLettersOptions,
  ): Promise<DeadLettersImported>;
}

const signalSchema = v.custom<AbortSignal>(
  (value) => typeof (value as AbortSignal | null)?.throwIfAborted === 'function',
  'an AbortSignal',
);
const showEntries = { payload: v.optional(v.boolean()), signal: v.optional(signalSchema) };
const listSchema: v.GenericSchema<ListDeadLettersOptions> = v.strictObject({
  ...filterEntries,
  ...showEntries,
  limit: v.optional(countSchema),
  after: v.optional(v.string()),
});
const showSchema: v.GenericSchema<ShowDeadLetterOptions> = v.strictObject(showEntries);
const exportSchema: v.GenericSchema<ExportDeadLettersOptions> = v.strictObject({
  signal: v.optional(signalSchema),
});
const takeEntries = {
  dryRun: v.optional(v.boolean()),
  signal: v.optional(signalSchema),
  onProgress: v.optional(
    v.custom<(count: number) => void>((value) => typeof value === 'function', 'a function'),
  ),
};
const takeSchema: v.GenericSchema<TakeDeadLettersOptions> = v.strictObject(takeEntries);
const redriveSchema: v.GenericSchema<RedriveOptions> = v.strictObject({
  ...takeEntries,
  rate: v.optional(v.pipe(v.number(), v.finite('a number'), v.gtValue(0, 'more than 0'))),
});

/** Imported and not yet confirmed, at most: of letters, and of bytes of their bodies. */
const WINDOW = { letters: 100, bytes: 8 * 1024 * 1024 };

function shown(letter: DeadLetteredMessage, payload: boolean): ShownDeadLetter {
  const { raw: _, position: __, unreadable, message, ...rest } = letter;
  const { body, ...head } = message;
  if (!payload) return { ...rest, message: head };
  return { ...rest, message: { ...head, body }, ...(unreadable === undefined ? {} : { unreadable }) };
}

/** Only what is meant may take its time, and only as much as the pace makes it. */
function paced(
  matches: Matches,
  rate: number,
  clock: Clock,
  signal: AbortSignal | undefined,
): Choice['select'] {
  const pace = createPace(rate, clock);
  return (letter) => (matches?.(letter) ?? true) && (pace(signal)?.then(() => true) ?? true);
}

export function createDeadLetterOffice(store: DeadLetterStore, clock: Clock): DeadLetterOffice {
  const idsOf = async (
    id: SubscriptionId,
    select: Matches,
    { signal, onProgress }: TakeDeadLettersOptions,
  ): Promise<DeadLettersTaken & { readonly ids: readonly string[] }> => {
    const ids: string[] = [];
    for await (const { message } of store.browse(id, { select, signal, bodies: false })) {
      ids.push(message.id);
      onProgress?.(ids.length);
    }
    return { count: ids.length, ids };
  };

  const counting = (onProgress: TakeDeadLettersOptions['onProgress']) => {
    let count = 0;
    return onProgress && ((): void => onProgress(++count));
  };

  return {
    async list(id, options = {}) {
      const {
        limit = 100,
        after,
        payload = false,
        signal,
        ...filter
      } = checkOptions(listSchema, options, 'DeadLetters.list options');
      const letters: ShownDeadLetter[] = [];
      let last: string | undefined;
      // One more tells whether there is another page.
      const browsing = { select: matching(filter), after, limit: limit + 1, bodies: payload, signal };
      for await (const letter of store.browse(id, browsing)) {
        if (letters.length === limit) return { letters, next: last };
        letters.push(shown(letter, payload));
        last = letter.position;
      }
      return { letters };
    },

    async show(id, messageId, options = {}) {
      const { payload = false, signal } = checkOptions(showSchema, options, 'DeadLetters.show options');
      const select = ({ message }: DeadLetterHead): boolean => message.id === messageId;
      for await (const letter of store.browse(id, { select, limit: 1, bodies: payload, signal }))
        return shown(letter, payload);
      return undefined;
    },

    async redrive(id, which, options = {}) {
      const { rate, dryRun, signal, onProgress } = checkOptions(
        redriveSchema,
        options,
        'DeadLetters.redrive options',
      );
      const matches = chosen(which);
      // By their ids: a store may look at some a second time.
      const late = new Set<string>();
      const inTime = (letter: DeadLetterHead): boolean => {
        if (!(matches?.(letter) ?? true)) return false;
        const { id: messageId, expiresAt } = letter.message;
        if (expiresAt === undefined || expiresAt > clock.now()) return true;
        late.add(messageId);
        return false;
      };
      const select = rate === undefined ? inTime : paced(inTime, rate, clock, signal);
      const taken = dryRun
        ? await idsOf(id, inTime, { signal, onProgress })
        : { count: await store.redrive(id, { select, signal, onGone: counting(onProgress) }) };
      return { ...taken, ...(late.size > 0 && { expired: late.size }) };
    },

    async purge(id, which, options = {}) {
      const { dryRun, signal, onProgress } = checkOptions(takeSchema, options, 'DeadLetters.purge options');
      const select = chosen(which);
      if (dryRun) return idsOf(id, select, { signal, onProgress });
      return { count: await store.purge(id, { select, signal, onGone: counting(onProgress) }) };
    },

    async *export(id, which = 'all', options = {}) {
      const { signal } = checkOptions(exportSchema, options, 'DeadLetters.export options');
      for await (const letter of store.browse(id, { select: chosen(which), signal })) {
        if (letter.unreadable !== undefined)
          throw new UndecodableError(
            `dead letter ${letter.message.id} cannot be exported: ${letter.unreadable}`,
          );
        yield `${toLine(id, letter)}\n`;
      }
    },

    async import(id, lines, options = {}) {
      const {
        dryRun,
        signal: given,
        onProgress,
      } = checkOptions(takeSchema, options, 'DeadLetters.import options');
      // A whole window listens to it, and Node warns of as many listeners on the caller's own.
      const signal = given && AbortSignal.any([given]);
      if (signal) setMaxListeners(0, signal);
      /** How many of each message id are there: so many lines of it are left out. Several may share one. */
      const there = new Map<string, number>();
      for (const known of (await idsOf(id, undefined, { signal })).ids)
        there.set(known, (there.get(known) ?? 0) + 1);
      const ids: string[] = [];
      let skipped = 0;
      let count = 0;
      let batch: DeadLetterContent[] = [];
      let bytes = 0;
      const settle = async (): Promise<void> => {
        const outcomes = await Promise.allSettled(
          batch.map(async (letter) => {
            if (!dryRun) await store.restore(id, letter, signal);
            count++;
            onProgress?.(count);
          }),
        );
        const failed = outcomes.find(({ status }) => status === 'rejected');
        if (failed) throw (failed as PromiseRejectedResult).reason;
        batch = [];
        bytes = 0;
      };
      for await (const { number, text } of linesOf(lines)) {
        signal?.throwIfAborted();
        const letter = fromLine(text, number, id);
        const { id: messageId, body } = letter.message;
        const left = there.get(messageId) ?? 0;
        if (left > 0) {
          there.set(messageId, left - 1);
          skipped++;
          continue;
        }
        if (dryRun) ids.push(messageId);
        batch.push(letter);
        bytes += body.byteLength;
        if (batch.length >= WINDOW.letters || bytes >= WINDOW.bytes) await settle();
      }
      await settle();
      return { count, skipped, ...(dryRun ? { ids } : {}) };
    },
  };
}
