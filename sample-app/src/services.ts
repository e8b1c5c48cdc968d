import { AnalyticsModule } from './analytics/analytics.module.js';
import { InventoryModule } from './inventory/inventory.module.js';
import { NotificationsModule } from './notifications/notifications.module.js';
import { OrdersModule } from './orders/orders.module.js';
import { PackingModule } from './packing/packing.module.js';
import { PaymentsModule } from './payments/payments.module.js';

/** Each service is a Nest module, with a messaging group of its own. */
export const SERVICES = {
  orders: OrdersModule,
  payments: PaymentsModule,
  inventory: InventoryModule,
  packing: PackingModule,
  notifications: NotificationsModule,
  analytics: AnalyticsModule,
};

export type Service = keyof typeof SERVICES;
