import type { Logger } from '@nestjs/common';
import type { EngineEvent } from '../engine/index.js';

function reason(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : `the handler threw ${typeof error}`;
}

function stack(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}

/** Writes what an operator should see. What goes well is silent; payloads never appear. */
export function logEvent(logger: Pick<Logger, 'log' | 'warn' | 'error'>, event: EngineEvent): void {
  const about = (): string => {
    const { message, group, attempt } = event as Extract<EngineEvent, { type: 'handled' }>;
    const conversation = message.correlationId === undefined ? '' : ` (correlation ${message.correlationId})`;
    return `message ${message.id}${conversation} of '${message.destination.name}' in group '${group}', attempt ${attempt}`;
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
        `message ${event.messageId} of ${event.subscription} could not be settled (${event.settlement}) and stays with the broker: ${reason(event.error)}`,
      );
    case 'retried':
      return logger.warn(`${about()}, failed and is retried in ${event.delay} ms: ${reason(event.error)}`);
    case 'dead-lettered':
      return logger.error(`${about()}, is dead-lettered: ${reason(event.error)}`, stack(event.error));
    case 'discarded':
      return logger.warn(`${about()}, is discarded: ${reason(event.error)}`);
    case 'expired':
      return logger.warn(`${about()}, came too late and is discarded`);
    case 'published':
    case 'handled':
    case 'released':
  }
}
