import { defineEvent } from '@nest-messaging/core';
import { z } from 'zod';

export const orderSchema = z.object({
  id: z.string(),
  customer: z.string().min(1).max(40),
  items: z.array(z.enum(['mug', 'poster', 'shirt', 'cap'])).min(1),
  /** What the bank will do with it: take it, fail twice before it does, or block it until someone has called. */
  card: z.enum(['good', 'flaky', 'blocked']),
});

export type Order = z.infer<typeof orderSchema>;

export const OrderPlaced = defineEvent('order.placed', { schema: orderSchema, key: (order) => order.id });
export const OrderPaid = defineEvent('order.paid', { schema: orderSchema, key: (order) => order.id });
export const OrderShipped = defineEvent('order.shipped', { schema: orderSchema, key: (order) => order.id });
