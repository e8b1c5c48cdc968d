import { Global, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { MessagingModule } from '@nest-messaging/core';
import { Noted } from '../contracts/journal.js';
import { JournalInterceptor } from './journal.interceptor.js';
import { Journal } from './journal.js';

@Global()
@Module({
  imports: [MessagingModule.forFeature({ publishes: [Noted] })],
  providers: [Journal, { provide: APP_INTERCEPTOR, useClass: JournalInterceptor }],
  exports: [Journal],
})
export class JournalModule {}
