import type { Order } from './contracts/orders.js';

/** Placed when the whole shop starts in one process, so that there is something to see. */
export const FIRST_ORDERS: readonly Omit<Order, 'id'>[] = [
  { customer: 'Ada', items: ['mug', 'poster'], card: 'good' },
  // Payment fails twice, is retried, and succeeds.
  { customer: 'Bob', items: ['shirt', 'cap'], card: 'flaky' },
  // Payment is hopeless: the message becomes a dead letter, until someone redrives it.
  { customer: 'Cleo', items: ['mug'], card: 'blocked' },
];
