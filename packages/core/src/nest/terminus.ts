import { Inject, Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { MessagingHealth } from './messaging-health.js';

/**
 * The application's messaging in a health check of `@nestjs/terminus`. Provide it in the module that imports
 * `TerminusModule`.
 */
@Injectable()
export class MessagingHealthIndicator {
  constructor(
    @Inject(MessagingHealth) private readonly health: MessagingHealth,
    @Inject(HealthIndicatorService) private readonly indicators: HealthIndicatorService,
  ) {}

  /** Up while the application can publish and handle; down before it has started and while it drains. */
  async readiness(key = 'messaging'): Promise<HealthIndicatorResult> {
    const { ready, connections } = await this.health.check();
    return this.#tell(key, ready, connections);
  }

  /** Up until something of it has stopped that does not come back by itself; so also while a broker is away. */
  async liveness(key = 'messaging'): Promise<HealthIndicatorResult> {
    const { live, connections } = await this.health.check();
    return this.#tell(key, live, connections);
  }

  #tell(key: string, up: boolean, connections: unknown): HealthIndicatorResult {
    const indicator = this.indicators.check(key);
    return up ? indicator.up({ connections }) : indicator.down({ connections });
  }
}
