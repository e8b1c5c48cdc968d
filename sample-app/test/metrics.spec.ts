import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { freePorts } from '../../scripts/brokers/ports.mjs';
import { build, ShopProcess, until } from './processes.js';

let shop: ShopProcess | undefined;

beforeAll(build, 120_000);
afterAll(async () => void (await shop?.stop()));

it('with METRICS_PORT the shop shows Prometheus what becomes of its orders', async () => {
  const [port] = (await freePorts(1)) as [number];
  shop = new ShopProcess([], { METRICS_PORT: String(port) });
  await shop.ready();
  let scraped = '';
  // Cleo's card is blocked, and Bob's bank answers at the third call.
  for (const metric of ['dead_lettered_messages', 'retried_messages'])
    await until(
      async () => {
        scraped = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
        return new RegExp(`^nest_messaging_${metric}_total\\{.*"order\\.placed".*"payments"`, 'm').test(
          scraped,
        );
      },
      () => `${metric}:\n${scraped}`,
    );
  expect(scraped).toMatch(/^messaging_process_duration_count\{.*"order\.\*".*"analytics"/m);
}, 60_000);
