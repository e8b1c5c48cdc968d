import { BadRequestException, Body, Controller, Post } from '@nestjs/common';
import { z } from 'zod';
import { orderSchema, type Order } from '../contracts/orders.js';
import { Orders } from './orders.js';

const newOrderSchema = orderSchema.omit({ id: true });

@Controller('orders')
export class OrdersController {
  constructor(private readonly orders: Orders) {}

  @Post()
  place(@Body() body: unknown): Promise<Order> {
    const newOrder = newOrderSchema.safeParse(body);
    if (!newOrder.success) throw new BadRequestException(z.prettifyError(newOrder.error));
    return this.orders.place(newOrder.data);
  }
}
