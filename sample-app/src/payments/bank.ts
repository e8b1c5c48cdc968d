import { Injectable } from '@nestjs/common';
import { DeadLetter } from '@nest-messaging/core';
import type { Order } from '../contracts/orders.js';

/** Stands for a payment provider on the network. */
@Injectable()
export class Bank {
  private readonly calls = new Map<string, number>();

  async charge(orderId: string, card: Order['card']): Promise<void> {
    const call = (this.calls.get(orderId) ?? 0) + 1;
    this.calls.set(orderId, call);
    if (card === 'flaky' && call <= 2) throw new Error('the bank does not answer');
    // No use in trying again by itself. When a person tries again, the customer has called the bank.
    if (card === 'blocked' && call === 1) throw new DeadLetter('the card is blocked');
  }
}
