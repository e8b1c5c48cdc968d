import { EventEmitter } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { virtualClock } from '../../testing/src/virtual-clock.js';
import type { Connection } from '../src/connection.js';
import type { Declarations } from '../src/declarations.js';
import { createPublisher, type Frame } from '../src/publisher.js';

/** A channel whose broker answers as a test wants it, which a real one does too seldom. */
class Channel extends EventEmitter {
  readonly sent: { readonly key: string; readonly confirm: (error: Error | null) => void }[] = [];

  publish(_exchange: string, key: string, _body: Buffer, _options: object, confirm: () => void): boolean {
    this.sent.push({ key, confirm });
    return true;
  }

  async close(): Promise<void> {
    this.emit('close');
  }

  /** By the broker, for an error. */
  fail(): void {
    this.emit('error', Object.assign(new Error('PRECONDITION_FAILED'), { code: 406 }));
    this.emit('close');
  }

  get keys(): string[] {
    return this.sent.map(({ key }) => key);
  }
}

function start() {
  const channels: Channel[] = [];
  const model = Object.assign(new EventEmitter(), {
    async createConfirmChannel() {
      const channel = new Channel();
      channels.push(channel);
      return channel;
    },
  });
  const clock = virtualClock();
  const publisher = createPublisher({
    connection: {
      model,
      blocked: undefined,
      protocolError: undefined,
      onUp: () => () => {},
      onUnblocked: () => () => {},
    } as unknown as Connection,
    declarations: { pending: () => undefined } as unknown as Declarations,
    clock,
    report: () => {},
  });
  const frame = (routingKey: string): Frame => ({
    exchange: '',
    routingKey,
    body: Buffer.alloc(1),
    properties: { headers: {} } as Frame['properties'],
    needs: [],
  });
  const send = (key: string, signal = new AbortController().signal): Promise<unknown> =>
    publisher.send(() => frame(key), signal).catch((error: unknown) => error);
  return { channels, clock, send };
}

describe('a publisher', () => {
  it('sends in its order again what was refused at the same time, by another channel where this one is old', async () => {
    const { channels, clock, send } = start();
    const settled = Promise.all(['1', '2', '3'].map((key) => send(key)));
    await turn();
    await clock.advance(20_000);
    for (const { confirm } of channels[0]!.sent) confirm(new Error('nacked'));
    await clock.advance(50);
    expect(channels.map(({ keys }) => keys)).toEqual([
      ['1', '2', '3'],
      ['1', '2', '3'],
    ]);
    for (const { confirm } of channels[1]!.sent) confirm(null);
    expect(await settled).toEqual([undefined, undefined, undefined]);
  });

  it('holds up nobody for a message that nobody waits for any more', async () => {
    const { channels, send } = start();
    const [first, second] = [new AbortController(), new AbortController()];
    const sending = [send('1', first.signal), send('2', second.signal), send('3'), send('4', second.signal)];
    await turn();
    channels[0]!.fail();
    await turn();
    // One by one, so that it is known whose error it was.
    expect(channels[1]!.keys).toEqual(['1']);
    first.abort(new Error('given up'));
    await turn();
    expect(channels[1]!.keys).toEqual(['1', '2']);
    // Of those that give up together, none is sent.
    second.abort(new Error('given up'));
    await turn();
    expect(channels[1]!.keys).toEqual(['1', '2', '3']);
    channels[1]!.sent.at(-1)!.confirm(null);
    expect(await Promise.all(sending)).toMatchObject([
      { message: 'given up' },
      { message: 'given up' },
      undefined,
      { message: 'given up' },
    ]);
  });
});
