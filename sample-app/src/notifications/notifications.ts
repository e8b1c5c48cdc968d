import { Injectable } from '@nestjs/common';
import { EventBus, OnEvent } from '@nest-messaging/core';
import { OrderPlaced, OrderShipped, type Order } from '../contracts/orders.js';
import { ReviewDue } from '../contracts/reviews.js';

@Injectable()
export class Notifications {
  constructor(private readonly events: EventBus) {}

  @OnEvent(OrderPlaced)
  thank({ customer }: Order): string {
    return `mail to ${customer}: thank you for your order`;
  }

  @OnEvent(OrderShipped)
  async announce(order: Order): Promise<string> {
    await this.events.publish(ReviewDue, order, { delay: '3s' });
    return `mail to ${order.customer}: your order is on its way`;
  }

  /** Three seconds later, even if the process that published it has ended. */
  @OnEvent(ReviewDue)
  askForReview({ customer }: Order): string {
    return `mail to ${customer}: how do you like it?`;
  }
}
