import { Module } from '@nestjs/common';
import { MessagingModule } from '@nest-messaging/core';
import { PackParcel } from '../contracts/parcels.js';
import { Inventory } from './inventory.js';

@Module({
  imports: [MessagingModule.forFeature({ group: 'inventory', enqueues: [PackParcel] })],
  providers: [Inventory],
})
export class InventoryModule {}
