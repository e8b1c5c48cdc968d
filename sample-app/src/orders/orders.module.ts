import { Module } from '@nestjs/common';
import { MessagingModule } from '@nest-messaging/core';
import { OrderPlaced, OrderShipped } from '../contracts/orders.js';
import { PageModule } from '../page/page.module.js';
import { OrdersController } from './orders.controller.js';
import { Orders } from './orders.js';

@Module({
  imports: [
    MessagingModule.forFeature({ group: 'orders', publishes: [OrderPlaced, OrderShipped] }),
    PageModule,
  ],
  controllers: [OrdersController],
  providers: [Orders],
})
export class OrdersModule {}
