import {
  Controller,
  Logger,
  Param,
  Post,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { DeadLetters } from '@nest-messaging/core';
import { OrderPlaced } from '../contracts/orders.js';
import { Journal } from '../journal/journal.js';

const unpaid = { topic: OrderPlaced, group: 'payments' };

/** Shows the orders that could not be charged, and lets a person try again. */
@Controller('dead-letters')
export class DeadLettersController implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('DeadLetters');
  private readonly seen = new Set<string>();
  private timer?: NodeJS.Timeout;

  constructor(
    private readonly deadLetters: DeadLetters,
    private readonly journal: Journal,
  ) {}

  onApplicationBootstrap(): void {
    const look = (): Promise<void> => this.look().catch((error: Error) => this.logger.warn(error.message));
    this.timer = setInterval(() => void look(), 1_000);
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  @Post(':id/redrive')
  async redrive(@Param('id') id: string): Promise<{ redriven: number }> {
    const { count } = await this.deadLetters.redrive(unpaid, [id]);
    return { redriven: count };
  }

  private async look(): Promise<void> {
    const { letters } = await this.deadLetters.list(unpaid);
    for (const { message, failure, firstFailedAt } of letters) {
      const key = `${message.id} ${firstFailedAt}`;
      if (this.seen.has(key)) continue;
      this.seen.add(key);
      this.journal.write({
        service: 'payments',
        topic: message.destination.name,
        order: message.correlationId ?? message.id,
        outcome: 'dead letter',
        text: failure.message,
        deadLetter: message.id,
      });
    }
  }
}
