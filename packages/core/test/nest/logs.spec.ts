import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ConsoleLogger, Injectable, type LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { EventBus, MessagingModule, OnEvent } from '@nest-messaging/core';
import type { Message } from '@nest-messaging/core/contract';
import { logEvent } from '../../src/nest/log.js';
import { eventually } from '../support/application.js';

@Injectable()
class Handler {
  @OnEvent('order.placed', { retry: { attempts: 1 } })
  on(): void {
    throw Object.assign(new TypeError('no luck'), { secret: 'canary-1' });
  }
}

/** What Nest's own logger writes to the terminal. */
let written: string;
beforeEach(() => {
  written = '';
  const keep = (chunk: unknown): boolean => {
    written += String(chunk);
    return true;
  };
  jest.spyOn(process.stdout, 'write').mockImplementation(keep);
  jest.spyOn(process.stderr, 'write').mockImplementation(keep);
});
afterEach(() => {
  jest.restoreAllMocks();
});

/** Lets a message fail once, and answers when the log has it. */
async function fail(logger: LoggerService, isThere: () => boolean): Promise<void> {
  const app = await Test.createTestingModule({
    imports: [MessagingModule.forRoot({ service: 'shop' })],
    providers: [Handler],
  })
    .setLogger(logger)
    .compile();
  await app.init();
  const options = { messageId: 'm1', correlationId: 'c1', headers: { token: 'canary-2' } };
  await app.get(EventBus).publish('order.placed', { card: 'canary-3' }, options);
  await eventually(async () => undefined, isThere);
  await app.close();
}

const TEXT =
  "message m1 (correlation c1) of 'order.placed' in group 'shop', attempt 1, is dead-lettered: TypeError: no luck";
const FIELDS = {
  connection: 'default',
  messageId: 'm1',
  topic: 'order.placed',
  group: 'shop',
  attempt: 1,
  duration: expect.any(Number),
  correlationId: 'c1',
  error: 'TypeError: no luck',
  stack: expect.stringMatching(/^ +at /),
};

describe('a line about a message', () => {
  it('is text for people in Nest’s own logger, with where it happened behind it', async () => {
    await fail(new ConsoleLogger({ colors: false }), () => written.includes('no luck'));
    const lines = written.split('\n');
    const at = lines.findIndex((line) => line.includes('no luck'));
    expect(lines[at]).toMatch(/ERROR \[Messaging\] /);
    expect(lines[at]!.endsWith(TEXT)).toBe(true);
    expect(lines[at + 1]).toMatch(/^ +at /);
    expect(written.split(TEXT)).toHaveLength(2);
    expect(written).not.toContain('canary');
  });

  it('is one record with fields in Nest’s own logger with `json`', async () => {
    await fail(new ConsoleLogger({ json: true }), () => written.includes('no luck'));
    const records = written
      .split('\n')
      .filter((line) => line.includes('no luck'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(records).toEqual([
      expect.objectContaining({
        level: 'error',
        context: 'Messaging',
        message: { msg: TEXT, ...FIELDS },
      }),
    ]);
    expect(written).not.toContain('canary');
  });

  it('is an object in other loggers: fields of its own, and text for whoever makes it text', async () => {
    const given: unknown[][] = [];
    const keep = (...args: unknown[]): void => void given.push(args);
    await fail({ log: keep, warn: keep, error: keep }, () => given.some(([line]) => String(line) === TEXT));
    const line = given.find(([each]) => String(each) === TEXT)!;
    expect(line.slice(1)).toEqual([undefined, 'Messaging']);
    expect(Object.assign({}, line[0])).toEqual({ msg: TEXT, ...FIELDS });
    expect(line[0]).toMatchObject({ message: TEXT });
  });

  it('has the same fields where a settlement could not be carried out', () => {
    const lines: unknown[] = [];
    const write = (line: unknown): void => void lines.push(line);
    logEvent({ log: write, warn: write, error: write }, 'default', {
      type: 'settlement-failed',
      settlement: 'retry',
      subscription: "pattern 'order.#' of group 'shop'",
      group: 'shop',
      messageId: 'm1',
      destination: { kind: 'topic', name: 'order.placed' },
      attempt: 2,
      error: new Error('cut'),
    });
    expect(lines.map((line) => ({ ...(line as object) }))).toEqual([
      {
        msg: "message m1 of pattern 'order.#' of group 'shop' could not be settled (retry) and stays with the broker: Error: cut",
        connection: 'default',
        messageId: 'm1',
        topic: 'order.placed',
        group: 'shop',
        attempt: 2,
        error: 'Error: cut',
      },
    ]);
  });

  it('is one line, whatever strangers write for an id or a topic', () => {
    const lines: string[] = [];
    const write = (line: unknown): void => void lines.push(String(line));
    const logger = { log: write, warn: write, error: write };
    const message: Message = {
      id: 'm1\nforged 1',
      destination: { kind: 'topic', name: 'order.placed\r\nforged 2' },
      body: Buffer.from(''),
      contentType: 'application/json',
      headers: {},
    };
    const handling = { message, source: 'order.#', group: 'shop', attempt: 1 };
    logEvent(logger, 'default', { type: 'dead-lettered', ...handling, error: new Error('no\nforged 3') });
    logEvent(logger, 'default', { type: 'warning', message: `message ${message.id} came back` });
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line).not.toMatch(/[\r\n]/);
  });
});
