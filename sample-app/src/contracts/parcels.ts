import { defineEvent } from '@nest-messaging/core';
import { z } from 'zod';
import { orderSchema } from './orders.js';

const parcelSchema = z.object({ order: orderSchema, item: z.string(), number: z.int() });

export type Parcel = z.infer<typeof parcelSchema>;

/** A task, not an event: it goes to a queue, and one worker does it. */
export const PackParcel = defineEvent('parcel.pack', { schema: parcelSchema });

export const ParcelPacked = defineEvent('parcel.packed', { schema: parcelSchema });
