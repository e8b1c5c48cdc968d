import { Module } from '@nestjs/common';
import { MessagingModule } from '@nest-messaging/core';
import { Bank } from './bank.js';
import { Payments } from './payments.js';

@Module({
  imports: [MessagingModule.forFeature({ group: 'payments' })],
  providers: [Payments, Bank],
})
export class PaymentsModule {}
