import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { deferred } from '../../src/engine/deferred.js';
import { EventBus, MessagingModule, OnEvent, type MessageContext } from '@nest-messaging/core';

describe('an application', () => {
  it('handles what it publishes', async () => {
    const handled = deferred<unknown>();
    @Injectable()
    class Invoices {
      @OnEvent('order.placed')
      bill(order: { id: string }, context: MessageContext): void {
        handled.resolve([order, context.topic, context.group, context.attempt]);
      }
    }
    const app = await Test.createTestingModule({
      imports: [MessagingModule.forRoot({ service: 'billing' })],
      providers: [Invoices],
    }).compile();
    await app.init();
    await app.get(EventBus).publish('order.placed', { id: '1' });
    expect(await handled.promise).toEqual([{ id: '1' }, 'order.placed', 'billing', 1]);
    await app.close();
  });
});
