import { Global, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { JournalInterceptor } from './journal.interceptor.js';
import { Journal } from './journal.js';

@Global()
@Module({
  providers: [Journal, { provide: APP_INTERCEPTOR, useClass: JournalInterceptor }],
  exports: [Journal],
})
export class JournalModule {}
