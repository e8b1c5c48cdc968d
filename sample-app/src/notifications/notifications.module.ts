import { Module } from '@nestjs/common';
import { MessagingModule } from '@nest-messaging/core';
import { Notifications } from './notifications.js';

@Module({
  imports: [MessagingModule.forFeature({ group: 'notifications' })],
  providers: [Notifications],
})
export class NotificationsModule {}
