import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { context, propagation, trace } from '@opentelemetry/api';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { Injectable } from '@nestjs/common';
import { OnEvent } from '@nest-messaging/core';
import { start, type Running } from './support/application.js';

const provider = new NodeTracerProvider({
  spanProcessors: [
    {
      onStart() {},
      onEnd({ name }) {
        throw new Error(`a bad processor, at the end of '${name}'`);
      },
      forceFlush: async () => {},
      shutdown: async () => {},
    },
  ],
});
beforeAll(() => provider.register());
afterAll(async () => {
  await provider.shutdown();
  trace.disable();
  context.disable();
  propagation.disable();
});

let running: Running | undefined;
afterEach(() => running?.stop());

describe('a processor of spans that throws', () => {
  let warned: string[];
  beforeEach(() => {
    warned = [];
    jest.spyOn(process, 'emitWarning').mockImplementation((warning) => void warned.push(String(warning)));
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('is told of, and changes nothing: unhandled, what it throws would end the process', async () => {
    let handled = 0;
    @Injectable()
    class Handler {
      @OnEvent('order.placed')
      on(): void {
        handled++;
      }
    }
    running = await start([Handler]);
    await running.bus.publish('order.placed', {});
    const ends = ['publish', 'process', 'acknowledge'].map((name) => `'${name} order.placed'`);
    while (!ends.every((end) => warned.some((text) => text.includes(end))))
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(handled).toBe(1);
  });
});
