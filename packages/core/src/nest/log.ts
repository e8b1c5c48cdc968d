import type { Logger } from '@nestjs/common';
import { failureOf, type EngineEvent } from '../engine/index.js';

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

/** Writes what an operator should see. What goes well is silent; payloads never appear. */
export function logEvent(logger: Pick<Logger, 'log' | 'warn' | 'error'>, event: EngineEvent): void {
  const about = (): string => {
    const { message, group, attempt } = event as Extract<EngineEvent, { type: 'handled' }>;
    const conversation =
      message.correlationId === undefined ? '' : ` (correlation ${shown(message.correlationId)})`;
    return `message ${shown(message.id)}${conversation} of '${message.destination.name}' in group '${group}', attempt ${attempt}`;
  };
  switch (event.type) {
    case 'connected':
      return logger.log(`connected to ${event.to}`);
    case 'disconnected':
      return logger.warn(
        `disconnected from ${event.from}${event.error === undefined ? '' : `: ${reason(event.error)}`}`,
      );
    case 'blocked':
      return logger.warn(`the broker blocks publishing: ${event.reason}`);
    case 'unblocked':
      return logger.log('the broker lets publish again');
    case 'warning':
      return logger.warn(
        event.error === undefined ? event.message : `${event.message}: ${reason(event.error)}`,
      );
    case 'settlement-failed':
      return logger.error(
        `message ${shown(event.messageId)} of ${event.subscription} could not be settled (${event.settlement}) and stays with the broker: ${reason(event.error)}`,
      );
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
      return logger.warn(`${about()}, failed and is retried in ${event.delay} ms: ${reason(event.error)}`);
    case 'dead-lettered':
      return logger.error(`${about()}, is dead-lettered: ${reason(event.error)}`, stack(event.error));
    case 'discarded':
      return logger.warn(`${about()}, is discarded: ${reason(event.error)}`);
    case 'expired':
      return logger.warn(`${about()}, came too late and is discarded`);
    case 'released':
      if (event.error === undefined) return;
      return logger.warn(
        `${about()}, failed while its circuit is open and is returned: ${reason(event.error)}`,
      );
    case 'published':
    case 'attempted':
    case 'handled':
  }
}
