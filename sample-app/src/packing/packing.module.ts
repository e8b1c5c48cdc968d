import { Module } from '@nestjs/common';
import { MessagingModule } from '@nest-messaging/core';
import { ParcelPacked } from '../contracts/parcels.js';
import { Packer } from './packer.js';

@Module({
  imports: [MessagingModule.forFeature({ group: 'packing', publishes: [ParcelPacked] })],
  providers: [Packer],
})
export class PackingModule {}
