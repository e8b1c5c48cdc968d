import { Module } from '@nestjs/common';
import { MessagingModule } from '@nest-messaging/core';
import { ReviewDue } from '../contracts/reviews.js';
import { Notifications } from './notifications.js';

@Module({
  imports: [MessagingModule.forFeature({ group: 'notifications', publishes: [ReviewDue] })],
  providers: [Notifications],
})
export class NotificationsModule {}
