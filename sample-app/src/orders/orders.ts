import { Injectable } from '@nestjs/common';
import { EventBus, OnEvent } from '@nest-messaging/core';
import { randomUUID } from 'node:crypto';
import { OrderPlaced, OrderShipped, type Order } from '../contracts/orders.js';
import { ParcelPacked, type Parcel } from '../contracts/parcels.js';
import { Journal } from '../journal/journal.js';

@Injectable()
export class Orders {
  /** Numbers of the parcels packed, by order. A real shop would keep them in its database. */
  private readonly packed = new Map<string, Set<number>>();

  constructor(
    private readonly events: EventBus,
    private readonly journal: Journal,
  ) {}

  /** Resolves once the broker has the event safely. */
  async place(newOrder: Omit<Order, 'id'>): Promise<Order> {
    const order = { id: randomUUID().slice(0, 4), ...newOrder };
    const { id, customer, items, card } = order;
    this.journal.write({
      service: 'orders',
      topic: OrderPlaced.topic,
      order: id,
      outcome: 'done',
      text: `${customer} orders ${items.join(', ')} with a ${card} card`,
    });
    await this.events.publish(OrderPlaced, order, { correlationId: id });
    return order;
  }

  @OnEvent(ParcelPacked)
  async ship({ order, number }: Parcel): Promise<string> {
    // A set, not a count: a message may come more than once.
    const packed = (this.packed.get(order.id) ?? new Set()).add(number);
    this.packed.set(order.id, packed);
    if (packed.size < order.items.length) return `${packed.size} of ${order.items.length} parcels are ready`;
    await this.events.publish(OrderShipped, order);
    this.packed.delete(order.id);
    return 'all parcels are ready, the order leaves';
  }
}
