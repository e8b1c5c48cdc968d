import { describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, Module, type INestApplication } from '@nestjs/common';
import { HealthCheck, HealthCheckService, TerminusModule, type HealthCheckResult } from '@nestjs/terminus';
import { EventBus, OnEvent, Subscriptions } from '@nest-messaging/core';
import { MessagingHealthIndicator } from '@nest-messaging/core/terminus';
import { deferred } from '../../src/engine/deferred.js';
import { compile } from '../support/application.js';

@Controller('health')
class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly messaging: MessagingHealthIndicator,
  ) {}

  @Get('ready')
  @HealthCheck()
  ready(): Promise<HealthCheckResult> {
    return this.health.check([() => this.messaging.readiness()]);
  }

  @Get('live')
  @HealthCheck()
  live(): Promise<HealthCheckResult> {
    return this.health.check([() => this.messaging.liveness('events')]);
  }
}

@Module({
  imports: [TerminusModule.forRoot({ logger: false })],
  controllers: [HealthController],
  providers: [MessagingHealthIndicator],
})
class HealthModule {}

const begun = deferred();
const release = deferred();

@Injectable()
class Handler {
  @OnEvent('a')
  async on(): Promise<void> {
    begun.resolve();
    await release.promise;
  }
}

async function ask(app: INestApplication, probe: 'ready' | 'live') {
  const response = await fetch(`${await app.getUrl()}/health/${probe}`);
  return { status: response.status, body: (await response.json()) as Record<string, any> };
}

describe('MessagingHealthIndicator', () => {
  it('answers readiness and liveness over HTTP, and while the application drains only the latter is well', async () => {
    const module = await compile({ imports: [HealthModule], providers: [Handler] });
    const app = module.createNestApplication();
    await app.listen(0, '127.0.0.1');
    try {
      const ready = await ask(app, 'ready');
      expect(ready.status).toBe(200);
      expect(ready.body).toMatchObject({
        status: 'ok',
        info: {
          messaging: {
            status: 'up',
            connections: [
              {
                connection: 'default',
                broker: 'memory',
                parts: [
                  { name: 'application' },
                  { name: 'memory' },
                  { name: "topic 'a' of group 'shop'", ready: true },
                ],
                publishing: { pending: 0 },
              },
            ],
          },
        },
      });
      expect(await ask(app, 'live')).toMatchObject({
        status: 200,
        body: { info: { events: { status: 'up' } } },
      });

      await app.get(Subscriptions).pause({ topic: 'a' });
      expect((await ask(app, 'ready')).status).toBe(200);
      await app.get(Subscriptions).resume({ topic: 'a' });

      await app.get(EventBus).publish('a', 1);
      await begun.promise;
      const url = await app.getUrl();
      const closed = app.close();
      const draining = await fetch(`${url}/health/ready`);
      expect(draining.status).toBe(503);
      expect(await draining.json()).toMatchObject({
        error: {
          messaging: {
            status: 'down',
            connections: [{ parts: [{ name: 'application', reason: 'shutting down' }, {}, {}] }],
          },
        },
      });
      expect((await fetch(`${url}/health/live`)).status).toBe(200);
      release.resolve();
      await closed;
    } finally {
      release.resolve();
      await app.close();
    }
  });
});
