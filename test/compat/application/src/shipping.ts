import { Injectable } from '@nestjs/common';
import { EventBus, OnEvent, type MessageContext } from '@nest-messaging/core';

export interface Order {
  id: string;
}

@Injectable()
export class Shipping {
  readonly shipped: Promise<Order>;
  private arrived!: (order: Order) => void;

  // Injected by its type alone: this shows that the compiler at hand emits decorator metadata.
  constructor(private readonly events: EventBus) {
    this.shipped = new Promise((resolve) => (this.arrived = resolve));
  }

  @OnEvent('order.placed')
  async ship(order: Order, context: MessageContext) {
    console.log(`handled ${order.id} at attempt ${context.attempt}`);
    await this.events.publish('order.shipped', order);
  }

  @OnEvent('order.shipped')
  tell(order: Order) {
    this.arrived(order);
  }
}
