import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { EventEmitterModule, OnEvent as OnEmitterEvent } from '@nestjs/event-emitter';
import { Test } from '@nestjs/testing';
import { eventually } from '../support/application.js';
import { EventBus, memory, MessagingModule, OnEvent, type Broker } from '@nest-messaging/core';

class Mistaken {
  @OnEmitterEvent('order.placed')
  bill(): void {}
}
Injectable()(Mistaken);

async function linesOf(
  metadata: Parameters<typeof Test.createTestingModule>[0],
  act = async (_bus: EventBus, _lines: readonly string[]): Promise<void> => undefined,
): Promise<string[]> {
  const lines: string[] = [];
  const write = (line: unknown): void => void lines.push(String(line));
  const app = await Test.createTestingModule(metadata)
    .setLogger({ log: write, warn: write, error: write })
    .compile();
  await app.init();
  await act(app.get(EventBus), lines);
  await app.close();
  return lines;
}

describe('the log', () => {
  it('notices OnEvent imported from @nestjs/event-emitter by mistake', async () => {
    const lines = await linesOf({ imports: [MessagingModule.forRoot()], providers: [Mistaken] });
    expect(lines).toContain(
      'Mistaken.bill is decorated with OnEvent of @nestjs/event-emitter, which this application does not use: import OnEvent from @nest-messaging/core',
    );
  });

  it('says nothing of it where that module is used', async () => {
    const lines = await linesOf({
      imports: [MessagingModule.forRoot(), EventEmitterModule.forRoot()],
      providers: [Mistaken],
    });
    expect(lines.filter((line) => line.includes('event-emitter'))).toEqual([]);
  });

  it('warns that memory is not durable', async () => {
    const lines = await linesOf({ imports: [MessagingModule.forRoot()] });
    expect(lines).toContainEqual(expect.stringContaining('not durable'));
  });

  it('warns where a durable broker is used and shutdown hooks are not enabled', async () => {
    const inner = memory();
    const durable: Broker = {
      name: 'memory',
      open: (environment) => {
        const transport = inner.open(environment);
        return { ...transport, capabilities: { ...transport.capabilities, durable: true } };
      },
    };
    const imports = [MessagingModule.forRoot({ broker: durable })];
    await linesOf({ imports }, async (_, lines) => {
      await eventually(
        async () => lines.some((line) => line.includes('call app.enableShutdownHooks()')),
        Boolean,
      );
    });
  });

  it('has one line for a failure, and never the payload', async () => {
    @Injectable()
    class Handler {
      @OnEvent('a', { retry: { attempts: 1 } })
      on(): void {
        throw new Error('no luck');
      }
    }
    const lines = await linesOf(
      { imports: [MessagingModule.forRoot({ service: 'shop' })], providers: [Handler] },
      async (bus, lines) => {
        await bus.publish(
          'a',
          { card: 'canary-4711' },
          { messageId: 'm1', headers: { token: 'canary-4712' } },
        );
        await eventually(
          async () => lines,
          () => lines.some((line) => line.includes('no luck')),
        );
      },
    );
    expect(lines.filter((line) => line.includes('no luck'))).toEqual([
      "message m1 of 'a' in group 'shop', attempt 1, is dead-lettered: Error: no luck",
    ]);
    expect(lines.join()).not.toContain('canary');
  });
});
