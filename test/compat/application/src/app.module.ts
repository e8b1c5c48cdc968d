import { Module } from '@nestjs/common';
import { MessagingModule } from '@nest-messaging/core';
import { Shipping } from './shipping.js';

@Module({
  imports: [MessagingModule.forRoot({ service: 'shop' })],
  providers: [Shipping],
})
export class AppModule {}
