import { DeadLetter } from '@nest-messaging/core/contract';
import { BatchContext, type BatchOptions, type HandlerSpec } from '@nest-messaging/core/engine';
import { acknowledge, settling, type Broken } from './breaking.js';
import { brokenEngine, invoking, registering } from './engine.js';

/** Changes how handlers of batches ask for them. */
const asking = (change: (batch: BatchOptions) => BatchOptions) =>
  registering((handler) => {
    const { batch } = handler.options;
    return batch ? { ...handler, options: { ...handler.options, batch: change(batch) } } : handler;
  });

/** Changes what a handler of batches is given, and how it ends. */
const batching = (
  change: (
    call: (payloads: unknown[], batch: BatchContext) => Promise<unknown>,
    payloads: unknown[],
    batch: BatchContext,
  ) => Promise<unknown>,
) =>
  invoking(({ invoke }: HandlerSpec) => (payloads, context) => {
    if (!(context instanceof BatchContext)) return invoke(payloads, context);
    return change(async (...own) => invoke(...own), payloads as unknown[], context);
  });

/** The same batch, heard otherwise. */
const listening = (
  { messages, topic, group }: BatchContext,
  decisions: Partial<Pick<BatchContext, 'done' | 'fail'>>,
  batch: BatchContext,
): BatchContext =>
  new BatchContext(messages, {
    topic,
    group,
    // Whose signal is its own.
    time: batch,
    decisions: {
      done: (message) => batch.done(message),
      fail: (message, error) => batch.fail(message, error),
      ...decisions,
    },
  });

/** Defects in how the engine gathers batches and settles what is in them. */
export const brokenBatches: readonly Broken[] = [
  brokenEngine(
    'hands batches over message by message',
    asking((batch) => ({ ...batch, size: 1 })),
  ),
  brokenEngine(
    'hands over larger batches than asked for',
    asking((batch) => ({ ...batch, size: batch.size + 1 })),
  ),
  brokenEngine(
    'waits for no batch to fill',
    asking((batch) => ({ ...batch, wait: 0 })),
  ),
  brokenEngine(
    'waits for each batch to fill',
    asking((batch) => ({ ...batch, wait: '7d' })),
  ),
  brokenEngine(
    'gives a batch’s messages in another order than its payloads',
    batching((call, payloads, batch) => call(payloads.toReversed(), batch)),
  ),
  brokenEngine(
    'fails a batch with each of its messages',
    batching(async (call, payloads, batch) => {
      const errors: unknown[] = [];
      await call(payloads, listening(batch, { fail: (_, error) => void errors.push(error) }, batch));
      if (errors.length > 0) throw errors[0];
    }),
  ),
  brokenEngine(
    'takes a failed message of a batch for one that is done',
    batching((call, payloads, batch) => call(payloads, listening(batch, { fail() {} }, batch))),
  ),
  brokenEngine(
    'fails what was done with the rest of its batch',
    batching((call, payloads, batch) => call(payloads, listening(batch, { done() {} }, batch))),
  ),
  brokenEngine(
    'sets a batch aside for one of its messages',
    batching(async (call, payloads, batch) => {
      try {
        await call(payloads, batch);
      } catch (error) {
        throw new DeadLetter('failed', { cause: error });
      }
    }),
  ),
  brokenEngine(
    'hands poison over in a batch',
    () => ({}),
    (options) => ({
      ...options,
      codec: {
        contentType: 'application/json',
        encode: (payload) => Buffer.from(JSON.stringify(payload) ?? ''),
        decode: (body) => Buffer.from(body).toString(),
      },
    }),
  ),
  brokenEngine('waits for batches to fill while it drains', (engine, { clock }) => ({
    async drain(ms) {
      await new Promise<void>((resolve) => void clock!.schedule(resolve, 60_000));
      return engine.drain(ms);
    },
  })),
  brokenEngine(
    'drops what is gathered when it drains',
    () => ({}),
    (options) => ({
      ...options,
      broker: settling((settlement) => (settlement.type === 'release' ? acknowledge : settlement))(
        options.broker,
      ),
    }),
  ),
];
