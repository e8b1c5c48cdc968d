import {
  ClosedError,
  createTurnoverSet,
  MessageTooLargeError,
  PublishRejectedError,
  TopologyError,
  whenAborted,
  type Clock,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import type { ChannelModel, ConfirmChannel, Message as AmqpMessage } from 'amqplib';
import { openConfirmChannel, type Guarded } from './channel.js';
import type { Connection } from './connection.js';
import type { Declarations } from './declarations.js';
import { CODE, publishError, replyCode } from './errors.js';
import { createHeaderTable } from './header-table.js';
import type { Resource } from './topology.js';
import { HEADER, type Properties } from './wire.js';

/** A message with its address, as it goes over the wire. */
export interface Frame {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  /** Where `mandatory` is among them, a queue must take it. */
  readonly properties: Properties;
  /** What must be there before it is sent. */
  readonly needs: readonly Resource[];
}

/** Publishes with confirms over one connection, through as many channels as the broker makes necessary. */
export interface Publisher {
  /**
   * Resolves when the broker has confirmed it. `frame` is asked for each time it is sent: a delay that began long ago
   * is shorter by then. What is unconfirmed when the connection is lost is sent again, the same message id on it.
   *
   * @throws the signal's reason, once it aborts
   * @throws {PublishRejectedError} if no queue took a `mandatory` message, or the broker refused it
   * @throws {MessageTooLargeError} if headers or body are beyond a limit; nothing was sent
   * @throws {TopologyError} if what it needs cannot be had
   * @throws {ClosedError} once the publisher is closed
   */
  send(frame: () => Frame, signal: AbortSignal): Promise<void>;
  /** Waits a moment for what is unconfirmed, rejects what was not sent. Safe to call twice; never rejects. */
  close(): Promise<void>;
}

interface Entry {
  /** Place in the order of the calls, which what is sent again finds once more. */
  readonly number: number;
  readonly frame: () => Frame;
  readonly settle: (error?: unknown) => void;
  /** Whoever waited for it has an answer. If it was sent, its confirmation may still come. */
  settled: boolean;
  /** The frame as it was sent last. */
  sent?: Frame;
  returned?: AmqpMessage;
  /** Was on a channel that the broker closed for an error: is sent alone, so that it is known whose error it was. */
  alone?: boolean;
  /** How often the broker said it could not take it. */
  refusals: number;
  /** What it needs was missing once, and was declared anew. */
  mended?: boolean;
  /** Connections that the broker closed for an error while only this was under way. */
  strikes: number;
}

/** Waits before another attempt to open a channel or to declare, when the connection is there and it failed. */
const AGAIN_AFTER = 1_000;
/**
 * A quorum queue refuses what reaches it before it has a leader: just after it was declared elsewhere, or its node went.
 * So a message is sent again after so many milliseconds, and twice as many each time, 3 s in all.
 */
const REFUSED_FIRST = 50;
const MOST_REFUSALS = 6;
/** Age from which on a channel is replaced when a full queue refuses what is sent on it. */
const OUTWORN_AFTER = 10_000;
/** Several channels share a connection, so that one end of it proves nothing against a message. */
const MOST_STRIKES = 3;
/** Confirms that are on their way when the publisher is closed. */
const CLOSE_WITHIN = 2_000;

const isSame = (
  { exchange, routingKey, properties }: Frame,
  { fields, properties: back }: AmqpMessage,
): boolean =>
  exchange === fields.exchange &&
  routingKey === fields.routingKey &&
  properties.messageId === back.messageId &&
  properties.headers[HEADER.id] === back.headers?.[HEADER.id];

const unknownOutcome = (): ClosedError =>
  new ClosedError('the transport was closed before RabbitMQ confirmed the message: the outcome is unknown');

function unroutable({ exchange, routingKey }: Frame): PublishRejectedError {
  return new PublishRejectedError(
    exchange === ''
      ? `no queue took the message: queue '${routingKey}' does not exist; create it, or start its worker first`
      : `no queue took the message: exchange '${exchange}' leads nowhere with routing key '${routingKey}'`,
  );
}

export function createPublisher(parts: {
  readonly connection: Connection;
  readonly declarations: Declarations;
  readonly clock: Clock;
  readonly report: (event: TransportEvent) => void;
}): Publisher {
  const { connection, declarations, clock, report } = parts;
  const headerTable = createHeaderTable();
  /** In the order in which they are to be sent. */
  const waiting = createTurnoverSet<Entry>();
  /** Sent and unconfirmed on the present channel, oldest first. */
  const unconfirmed = createTurnoverSet<Entry>();
  /** To be sent again after a while, each with what keeps it from that. */
  const refusals = new Map<Entry, () => void>();
  let entries = 0;
  /** Under way, and to be so alone: whoever waits for it has no answer yet. */
  let alone: Entry | undefined;
  let guarded: Guarded<ConfirmChannel> | undefined;
  let opening = false;
  let full = false;
  /**
   * A queue refused a message for being full. RabbitMQ 3.10 goes on refusing to the channel that was told so, even when
   * there is room again (seen after a policy with `max-length` was cleared). A new channel is not refused at first,
   * which is why it is not made for every refusal: that would fill the queue beyond its limit.
   */
  let outworn = false;
  let openedAt = 0;
  let preparing = false;
  let closed = false;
  let wake: (() => void) | undefined;
  /** Set while closing waits for the last confirmations. */
  let idle: (() => void) | undefined;

  /** Whether anybody waits for a confirmation that is to come. */
  const isAwaited = (): boolean => [...unconfirmed].some(({ settled }) => !settled);

  /** To be sent again, in their places before what was never sent. */
  const putBack = (again: readonly Entry[]): void => {
    const last = again.reduce((most, { number }) => Math.max(most, number), -1);
    const before: Entry[] = [];
    for (const entry of waiting) {
      if (entry.number > last) break;
      before.push(entry);
    }
    for (const entry of before) waiting.delete(entry);
    waiting.addFirst([...before, ...again].sort((one, other) => one.number - other.number));
  };

  /** Calls again later, once however often it is asked for. */
  const again = (): void => {
    if (wake || closed) return;
    wake = clock.schedule(() => {
      wake = undefined;
      pump();
    }, AGAIN_AFTER);
  };

  const confirm = (entry: Entry, error: unknown): void => {
    // Taken back when its channel closed: there, amqplib tells the same as for a refusal.
    if (!unconfirmed.delete(entry)) return;
    if (alone === entry) alone = undefined;
    idle?.();
    if (entry.settled) return pump();
    const { sent, returned } = entry;
    if (error !== null) refused(entry, error);
    else if (!returned) entry.settle();
    else if (entry.mended || sent!.needs.length === 0) entry.settle(unroutable(sent!));
    else mend(entry);
    pump();
  };

  /** A negative confirmation: for the moment, or because a queue is full. */
  const refused = (entry: Entry, cause: unknown): void => {
    if (clock.now() - openedAt > OUTWORN_AFTER) outworn = true;
    if (entry.refusals === MOST_REFUSALS || closed) {
      entry.settle(
        new PublishRejectedError('RabbitMQ could not take the message: a queue is full or failed', {
          cause,
          retryable: true,
        }),
      );
      return;
    }
    const cancel = clock.schedule(
      () => {
        refusals.delete(entry);
        if (entry.settled) return;
        putBack([entry]);
        pump();
      },
      REFUSED_FIRST * 2 ** entry.refusals++,
    );
    refusals.set(entry, cancel);
  };

  /** Someone deleted what had been declared: once more from the start. */
  const mend = (entry: Entry): void => {
    if (closed) return entry.settle(unroutable(entry.sent!));
    declarations.forget(entry.sent!.needs);
    entry.mended = true;
    entry.returned = undefined;
    putBack([entry]);
  };

  const onChannelClosed = (model: ChannelModel, error: Error | undefined): void => {
    guarded = undefined;
    full = false;
    outworn = false;
    alone = undefined;
    const lost = [...unconfirmed];
    unconfirmed.clear();
    if (closed) {
      for (const entry of lost) entry.settle(unknownOutcome());
      idle?.();
      return;
    }
    // amqplib tells the channel's error on the channel, the connection's on the connection.
    const refusal = error ?? connection.protocolError;
    const [only] = lost;
    for (const entry of lost) entry.returned = undefined;
    if (refusal && lost.length === 1 && isCulprit(only!, error)) {
      const gone = replyCode(error) === CODE.notFound && !only!.mended && only!.sent!.needs.length > 0;
      if (gone && !only!.settled) mend(only!);
      else only!.settle(publishError(only!.sent!.exchange, refusal));
    } else {
      if (refusal) for (const entry of lost) entry.alone = true;
      putBack(lost.filter(({ settled }) => !settled));
    }
    // The connection may be about to be seen as closed too: only then is it known whether a new channel can be had.
    queueMicrotask(() => {
      if (connection.model === model) pump();
    });
  };

  const isCulprit = (entry: Entry, channelError: Error | undefined): boolean =>
    channelError !== undefined || ++entry.strikes >= MOST_STRIKES;

  const open = async (model: ChannelModel): Promise<void> => {
    opening = true;
    try {
      const fresh = await openConfirmChannel(model, report, (error) => {
        if (guarded === fresh) onChannelClosed(model, error);
      });
      if (!fresh.open) return;
      guarded = fresh;
      openedAt = clock.now();
      full = false;
      fresh.channel.on('drain', () => {
        full = false;
        pump();
      });
      // Comes before the confirmation of the same message.
      fresh.channel.on('return', (message) => {
        for (const entry of unconfirmed) {
          if (entry.returned || !entry.sent!.properties.mandatory || !isSame(entry.sent!, message)) continue;
          entry.returned = message;
          return;
        }
      });
    } catch (error) {
      if (connection.model === model)
        report({ type: 'warning', message: 'no channel to publish on could be opened; trying again', error });
    } finally {
      opening = false;
    }
    if (guarded) pump();
    else again();
  };

  const write = ({ channel }: Guarded<ConfirmChannel>, entry: Entry, frame: Frame): void => {
    const { exchange, routingKey, body, properties } = frame;
    entry.sent = frame;
    entry.returned = undefined;
    try {
      // amqplib encodes before it writes anything: what throws here was not sent, and harms nobody else.
      const headers = headerTable(properties.headers);
      full = !channel.publish(exchange, routingKey, body, { ...properties, headers }, (error) =>
        confirm(entry, error),
      );
      unconfirmed.add(entry);
      if (entry.alone) alone = entry;
    } catch (error) {
      entry.settle(
        // By name, for the sake of those who load amqplib in a realm of its own, as Jest does.
        /^(Range|Type)Error$/.test((error as Error).name)
          ? new MessageTooLargeError(
              `the message's headers do not fit: 64 KiB in all, 255 bytes for an id or a name (${(error as Error).message})`,
              { cause: error },
            )
          : error,
      );
    }
  };

  /** Sends what can be sent now. Called whenever something changed. */
  const pump = (): void => {
    for (const entry of waiting) {
      if (closed) return;
      const { model } = connection;
      if (!model || connection.blocked !== undefined || full || preparing) return;
      if (outworn) {
        if (isAwaited()) return;
        outworn = false;
        void guarded?.close();
        guarded = undefined;
      }
      if (!guarded) {
        if (!opening) void open(model);
        return;
      }
      if (alone || (entry.alone && isAwaited())) return;
      let frame: Frame;
      try {
        frame = entry.frame();
      } catch (error) {
        entry.settle(error);
        continue;
      }
      const declaring = declarations.pending(model, frame.needs);
      if (declaring) return prepare(entry, declaring);
      waiting.delete(entry);
      write(guarded, entry, frame);
    }
  };

  const prepare = (entry: Entry, declaring: Promise<void>): void => {
    preparing = true;
    declaring.then(
      () => {
        preparing = false;
        pump();
      },
      (error: unknown) => {
        preparing = false;
        if (error instanceof TopologyError) entry.settle(error);
        // Otherwise the connection was lost, and its return goes on from here.
        pump();
      },
    );
  };

  const offUp = connection.onUp(() => pump());
  const offUnblocked = connection.onUnblocked(() => pump());

  return {
    send(frame, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        if (closed) return reject(new ClosedError('the transport is closed'));
        const entry: Entry = {
          number: entries++,
          frame,
          strikes: 0,
          refusals: 0,
          settled: false,
          settle(error) {
            entry.settled = true;
            if (alone === entry) alone = undefined;
            ignore();
            waiting.delete(entry);
            if (error === undefined) resolve();
            else reject(error);
          },
        };
        const ignore = whenAborted(signal, () => {
          entry.settle(signal.reason);
          // It may have held up others: those that give up with it are not sent before they are told, too.
          if (unconfirmed.has(entry)) queueMicrotask(pump);
        });
        waiting.add(entry);
        pump();
      });
    },
    async close() {
      if (closed) return;
      closed = true;
      offUp();
      offUnblocked();
      wake?.();
      for (const cancel of refusals.values()) cancel();
      for (const entry of [...refusals.keys(), ...waiting])
        entry.settle(new ClosedError('the transport was closed before the message was sent'));
      if (isAwaited() && connection.model && connection.blocked === undefined) {
        await new Promise<void>((resolve) => {
          const cancel = clock.schedule(resolve, CLOSE_WITHIN);
          idle = () => {
            if (isAwaited()) return;
            cancel();
            resolve();
          };
        });
      }
      for (const entry of unconfirmed) entry.settle(unknownOutcome());
    },
  };
}
