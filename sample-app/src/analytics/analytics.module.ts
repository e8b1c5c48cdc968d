import { Module } from '@nestjs/common';
import { MessagingModule } from '@nest-messaging/core';
import { Analytics } from './analytics.js';

@Module({
  imports: [MessagingModule.forFeature({ group: 'analytics' })],
  providers: [Analytics],
})
export class AnalyticsModule {}
