import { Module } from '@nestjs/common';
import { MessagingModule } from '@nest-messaging/core';
import { PageModule } from '../page/page.module.js';
import { OrdersController } from './orders.controller.js';
import { Orders } from './orders.js';

@Module({
  imports: [MessagingModule.forFeature({ group: 'orders' }), PageModule],
  controllers: [OrdersController],
  providers: [Orders],
})
export class OrdersModule {}
