import { Injectable } from '@nestjs/common';
import { EventBus, OnEvent } from '@nest-messaging/core';
import { OrderPaid, OrderPlaced, type Order } from '../contracts/orders.js';
import { PackParcel } from '../contracts/parcels.js';

@Injectable()
export class Inventory {
  constructor(private readonly events: EventBus) {}

  @OnEvent(OrderPlaced)
  reserve({ items }: Order): string {
    return `reserves ${items.join(', ')}`;
  }

  @OnEvent(OrderPaid)
  async release(order: Order): Promise<string> {
    await Promise.all(
      order.items.map((item, index) => this.events.enqueue(PackParcel, { order, item, number: index + 1 })),
    );
    return `to be packed: ${order.items.length}`;
  }
}
