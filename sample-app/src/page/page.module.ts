import { Module } from '@nestjs/common';
import { MessagingModule } from '@nest-messaging/core';
import { DeadLettersController } from './dead-letters.controller.js';
import { PageController } from './page.controller.js';

@Module({
  imports: [MessagingModule.forFeature({ group: 'page' })],
  controllers: [PageController, DeadLettersController],
})
export class PageModule {}
