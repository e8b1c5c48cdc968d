import { Module } from '@nestjs/common';
import { MessagingModule } from '@nest-messaging/core';
import { Packer } from './packer.js';

@Module({
  imports: [MessagingModule.forFeature({ group: 'packing' })],
  providers: [Packer],
})
export class PackingModule {}
