import { Injectable } from '@nestjs/common';
import { EventBus, OnEvent } from '@nest-messaging/core';
import { OrderPaid, OrderPlaced, type Order } from '../contracts/orders.js';
import { Bank } from './bank.js';

@Injectable()
export class Payments {
  constructor(
    private readonly bank: Bank,
    private readonly events: EventBus,
  ) {}

  /** Whatever it throws, the message is not lost: it is retried later, or set aside as a dead letter. */
  @OnEvent(OrderPlaced, { retry: { attempts: 4, backoff: { initial: '500ms' } } })
  async charge(order: Order): Promise<string> {
    // Handlers run at least once: the bank knows the order by its id, and takes the money only once.
    await this.bank.charge(order.id, order.card);
    await this.events.publish(OrderPaid, order);
    return 'paid';
  }
}
