import { defineEvent } from '@nest-messaging/core';
import { orderSchema } from './orders.js';

export const ReviewDue = defineEvent('review.due', { schema: orderSchema });
