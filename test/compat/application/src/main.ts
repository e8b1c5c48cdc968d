import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { EventBus } from '@nest-messaging/core';
import { AppModule } from './app.module.js';
import { Shipping } from './shipping.js';

async function main() {
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error'] });
  await app.get(EventBus).publish('order.placed', { id: 'o-1' });
  await app.get(Shipping).shipped;
  await app.close();
  console.log('closed');
}

void main();
