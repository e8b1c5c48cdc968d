import type { Logger } from '@nestjs/common';
import { failureOf, oneLine, type EngineEvent, type Handling } from '../engine/index.js';
import { LogEntry } from './log-entry.js';

/** One line, whatever was thrown: foreign text may hold line breaks that would forge others. */
function reason(error: unknown): string {
  const { name, message } = failureOf(error, 0);
  return `${name}: ${message}`;
}

/** Where it happened; what happened is in the line before. */
function stack(error: unknown): string | undefined {
  try {
    const lines = error instanceof Error ? String(error.stack).split('\n') : [];
    return lines.filter((line) => line.trimStart().startsWith('at ')).join('\n') || undefined;
  } catch {
    // `stack` may be made when it is read, from a message that cannot be.
    return undefined;
  }
}

function shown(id: string): string {
  return failureOf(id, 0).message.slice(0, 100);
}

/** What an attempt has beside its handling, where it has it. */
interface Ended extends Handling {
  readonly error?: unknown;
  readonly duration?: number;
  readonly delay?: number;
}

function entryOf(
  connection: string,
  ended: Ended,
  what: string,
  more?: { readonly stack?: string },
): LogEntry {
  const { message, group, attempt, duration, delay, error } = ended;
  const messageId = shown(message.id);
  const correlationId = message.correlationId === undefined ? undefined : shown(message.correlationId);
  // Under a pattern it is whatever its publisher wrote.
  const topic = shown(message.destination.name);
  const conversation = correlationId === undefined ? '' : ` (correlation ${correlationId})`;
  const why = 'error' in ended ? reason(error) : undefined;
  return new LogEntry(
    `message ${messageId}${conversation} of '${topic}' in group '${group}', attempt ${attempt}, ${what}${why === undefined ? '' : `: ${why}`}`,
    { connection, messageId, topic, group, attempt, duration, delay, correlationId, error: why, ...more },
  );
}

/** Writes what an operator should see. What goes well is silent; payloads never appear. */
export function logEvent(
  logger: Pick<Logger, 'log' | 'warn' | 'error'>,
  connection: string,
  event: EngineEvent,
): void {
  switch (event.type) {
    case 'connected':
      return logger.log(`connected to ${event.to}`);
    case 'disconnected':
      return logger.warn(
        `disconnected from ${event.from}${event.error === undefined ? '' : `: ${reason(event.error)}`}`,
      );
    case 'blocked':
      return logger.warn(`the broker blocks publishing: ${oneLine(event.reason)}`);
    case 'unblocked':
      return logger.log('the broker lets publish again');
    case 'warning':
    case 'gap': {
      // It may name a message, by an id that is a stranger's.
      const message = oneLine(event.message);
      return logger.warn(event.error === undefined ? message : `${message}: ${reason(event.error)}`);
    }
    case 'settlement-failed': {
      const { subscription, group, destination, attempt, settlement } = event;
      const messageId = shown(event.messageId);
      const error = reason(event.error);
      return logger.error(
        new LogEntry(
          `message ${messageId} of ${subscription} could not be settled (${settlement}) and stays with the broker: ${error}`,
          { connection, messageId, topic: shown(destination.name), group, attempt, error },
        ),
      );
    }
    case 'paused':
      return logger.log(`${event.subscription} is paused in this process`);
    case 'resumed':
      return logger.log(`${event.subscription} goes on in this process`);
    case 'resized':
      return logger.log(`${event.subscription} handles ${event.concurrency} at a time in this process`);
    case 'circuit-opened':
      return logger.warn(`the circuit of ${event.subscription} is open: it takes nothing in this process`);
    case 'circuit-closed':
      return logger.log(`the circuit of ${event.subscription} is closed`);
    case 'replayed': {
      const from = event.from === 'beginning' ? 'the beginning' : new Date(event.from).toISOString();
      return logger.log(`${event.subscription} was set back to ${from}`);
    }
    case 'retried':
      return logger.warn(entryOf(connection, event, `failed and is retried in ${event.delay} ms`));
    case 'dead-lettered':
      return logger.error(entryOf(connection, event, 'is dead-lettered', { stack: stack(event.error) }));
    case 'discarded':
      return logger.warn(entryOf(connection, event, 'is discarded'));
    case 'expired':
      return logger.warn(entryOf(connection, event, 'came too late and is discarded'));
    case 'released':
      if (event.error === undefined) return;
      return logger.warn(entryOf(connection, event, 'failed while its circuit is open and is returned'));
    // Whoever published has the error, for each message again.
    case 'overload':
    case 'published':
    case 'attempted':
    case 'handled':
  }
}
