import { Module } from '@nestjs/common';
import { MessagingModule } from '@nest-messaging/core';
import { OrderPaid } from '../contracts/orders.js';
import { Bank } from './bank.js';
import { Payments } from './payments.js';

@Module({
  imports: [MessagingModule.forFeature({ group: 'payments', publishes: [OrderPaid] })],
  providers: [Payments, Bank],
})
export class PaymentsModule {}
