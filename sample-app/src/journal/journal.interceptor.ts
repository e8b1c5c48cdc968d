import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { MessageContext } from '@nest-messaging/core';
import { tap, type Observable } from 'rxjs';
import { Noted, type Note } from '../contracts/journal.js';
import { Journal } from './journal.js';

/**
 * Notes each message that a handler has handled, or failed at. Nest's interceptors, guards, pipes and filters apply to
 * message handlers with the context type `'rpc'`.
 */
@Injectable()
export class JournalInterceptor implements NestInterceptor {
  constructor(private readonly journal: Journal) {}

  intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (execution.getType() !== 'rpc') return next.handle();
    const context = execution.switchToRpc().getContext<MessageContext>();
    // A note of a note of a note …
    if (context.topic === Noted.topic) return next.handle();

    const note = (outcome: Note['outcome'], text: string): void =>
      this.journal.write({
        service: context.group,
        topic: context.topic,
        // Set once, when the order was placed; it passes on by itself to all that follows from it.
        order: context.correlationId,
        attempt: context.attempt,
        outcome,
        text,
      });
    return next.handle().pipe(
      tap({
        next: (text) => note('done', String(text)),
        error: (error: Error) => note('failed', error.message),
      }),
    );
  }
}
