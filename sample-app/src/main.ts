import { NestFactory } from '@nestjs/core';
import { FIRST_ORDERS } from './first-orders.js';
import { terminalLogger as logger } from './journal/terminal.js';
import { showMetrics } from './metrics.js';
import { Orders } from './orders/orders.js';
import { readSettings } from './settings.js';
import { ShopModule } from './shop.module.js';

async function open(): Promise<void> {
  const settings = readSettings();
  const { services, port, metricsPort } = settings;
  if (metricsPort !== undefined) showMetrics(metricsPort);
  const shop = await NestFactory.create(ShopModule.of(services, settings), {
    logger,
    abortOnError: false,
    // An open page listens for as long as it is open; Ctrl-C does not wait for it.
    forceCloseConnections: true,
  });
  // On SIGTERM and Ctrl-C: running handlers end first, then all else closes.
  shop.enableShutdownHooks();

  if (services && !services.includes('orders')) {
    await shop.init();
    console.log(`At work: ${services.join(', ')}. Ctrl-C ends it.`);
    return;
  }
  await shop.listen(port, '127.0.0.1');
  console.log(`The shop is open: ${await shop.getUrl()} Ctrl-C closes it.`);
  if (services) return;

  // Two packers compete for the parcels: the shop's own, and an application with nothing but a packer, on the same broker.
  const packing = await NestFactory.createApplicationContext(ShopModule.of(['packing'], settings), {
    logger,
  });
  shop.get(ShopModule).companions.push(packing);
  for (const order of FIRST_ORDERS) await shop.get(Orders).place(order);
}

try {
  await open();
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
