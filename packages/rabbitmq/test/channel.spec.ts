import { EventEmitter } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { ChannelModel } from 'amqplib';
import { openChannel, openConfirmChannel } from '../src/channel.js';

/** A connection that ends in the read which brings the reply that a channel is open: amqplib tells of both in one turn. */
function endingAsItOpens(): ChannelModel {
  const opening = (): Promise<EventEmitter> =>
    new Promise((resolve) => {
      setImmediate(() => {
        const channel = new EventEmitter();
        resolve(channel);
        channel.emit('close');
        model.emit('close');
      });
    });
  const model = Object.assign(new EventEmitter(), { createChannel: opening, createConfirmChannel: opening });
  return model as unknown as ChannelModel;
}

describe('a channel whose connection ends as it opens', () => {
  it.each([
    ['to consume on', openChannel],
    ['to publish on', openConfirmChannel],
  ])('is none %s', async (_, open) => {
    await expect(open(endingAsItOpens(), () => {})).rejects.toThrow('the connection ended');
  });
});
