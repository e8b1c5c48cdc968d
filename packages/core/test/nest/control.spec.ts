import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Injectable,
  Module,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common';
import {
  ConfigurationError,
  EventBus,
  MessagingControlModule,
  OnEvent,
  OnQueue,
  type MessagingControlOptions,
} from '@nest-messaging/core';
import { compile, eventually } from '../support/application.js';

@Injectable()
class Keys {
  readonly key = 'operator';
}

@Module({ providers: [Keys], exports: [Keys] })
class KeysModule {}

@Injectable()
class OperatorGuard implements CanActivate {
  constructor(private readonly keys: Keys) {}
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    return headers['x-key'] === this.keys.key;
  }
}

@Injectable()
class Invoices {
  readonly seen: unknown[] = [];
  @OnEvent('order.placed', { concurrency: 3 })
  bill(order: unknown): void {
    this.seen.push(order);
  }
  @OnQueue('mails')
  send(): void {}
  @OnEvent('refresh', { broadcast: true })
  refresh(): void {}
}

let app: INestApplication | undefined;

afterEach(() => app?.close());

async function listen(options: Partial<MessagingControlOptions> = {}): Promise<INestApplication> {
  const module = await compile({
    imports: [MessagingControlModule.forRoot({ guards: [OperatorGuard], imports: [KeysModule], ...options })],
    providers: [Invoices],
  });
  app = module.createNestApplication();
  await app.listen(0, '127.0.0.1');
  return app;
}

async function call(path: string, body?: unknown, key = 'operator') {
  const response = await fetch(`${await app!.getUrl()}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'x-key': key, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as any };
}

const placed = { topic: 'order.placed', group: 'shop', connection: 'default' };

describe('MessagingControlModule', () => {
  it('lists, pauses, resumes and resizes the subscriptions of the process', async () => {
    await listen();
    expect(await call('/messaging/subscriptions')).toEqual({
      status: 200,
      body: [
        { ...placed, broadcast: false, state: 'running', concurrency: 3 },
        { queue: 'mails', connection: 'default', broadcast: false, state: 'running', concurrency: 10 },
        {
          topic: 'refresh',
          group: 'shop',
          connection: 'default',
          broadcast: true,
          state: 'running',
          concurrency: 10,
        },
      ],
    });
    const paused = await call('/messaging/subscriptions/pause', { topic: 'order.placed' });
    expect(paused).toMatchObject({ status: 200, body: [{ state: 'paused' }, { state: 'running' }, {}] });
    await app!.get(EventBus).publish('order.placed', 1);
    expect(app!.get(Invoices).seen).toEqual([]);
    const resized = await call('/messaging/subscriptions/concurrency', { ...placed, concurrency: 1 });
    expect(resized).toMatchObject({ status: 200, body: [{ state: 'paused', concurrency: 1 }, {}, {}] });
    const resumed = await call('/messaging/subscriptions/resume', placed);
    expect(resumed).toMatchObject({ status: 200, body: [{ state: 'running', concurrency: 1 }, {}, {}] });
    await eventually(
      async () => app!.get(Invoices).seen,
      (seen) => seen.length === 1,
    );
  });

  it('lets nobody in whom a guard does not know', async () => {
    await listen();
    for (const [path, body] of [
      ['/messaging/subscriptions'],
      ['/messaging/subscriptions/pause', placed],
      ['/messaging/subscriptions/resume', placed],
      ['/messaging/subscriptions/concurrency', { ...placed, concurrency: 1 }],
    ] as const)
      expect((await call(path, body, 'stranger')).status).toBe(403);
    expect((await call('/messaging/subscriptions')).body).toMatchObject([
      { state: 'running', concurrency: 3 },
      {},
      {},
    ]);
  });

  it('answers 400 to what is unknown or unusable, and says what it is', async () => {
    await listen({ guards: [{ canActivate: () => true }], path: 'ops' });
    for (const [path, body, message] of [
      ['pause', { topic: 'unknown' }, /no handler of this process has topic 'unknown'/],
      ['pause', { topic: 'refresh' }, /no handler of this process has/],
      ['pause', {}, /the body is an object: expected a topic, with or without a group, or a queue/],
      ['resume', { topic: 'order.placed', force: true }, /unknown option the body\.force: valid are topic/],
      ['concurrency', { ...placed, concurrency: 0 }, /concurrency is 0: expected at least 1/],
      ['concurrency', placed, /concurrency is undefined/],
    ] as const) {
      const { status, body: answer } = await call(`/ops/subscriptions/${path}`, body);
      expect(status).toBe(400);
      expect(answer.message).toMatch(message);
    }
  });

  it.each<[string, unknown, RegExp]>([
    ['without guards', {}, /options\.guards is an array: expected at least one guard/],
    ['with an empty list of guards', { guards: [] }, /expected at least one guard: whoever reaches these/],
    ['with what is no guard', { guards: ['admin'] }, /guards\.0 is 'admin': expected a guard/],
    [
      'with an unknown key',
      { guards: [OperatorGuard], paht: 'x' },
      /unknown option .*\.paht: valid are guards/,
    ],
  ])('is refused %s', (_, options, message) => {
    const making = () => MessagingControlModule.forRoot(options as MessagingControlOptions);
    expect(making).toThrow(ConfigurationError);
    expect(making).toThrow(message);
  });
});
