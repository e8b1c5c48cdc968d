import { Module } from '@nestjs/common';
import { MessagingModule } from '@nest-messaging/core';
import { Inventory } from './inventory.js';

@Module({
  imports: [MessagingModule.forFeature({ group: 'inventory' })],
  providers: [Inventory],
})
export class InventoryModule {}
