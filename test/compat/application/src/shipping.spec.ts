import { Test } from '@nestjs/testing';
import { EventBus, MessagingModule } from '@nest-messaging/core';
import { Shipping } from './shipping.js';

describe('Shipping', () => {
  it('ships what was ordered', async () => {
    const module = await Test.createTestingModule({
      imports: [MessagingModule.forRoot({ service: 'shop' })],
      providers: [Shipping],
    }).compile();
    await module.init();
    await module.get(EventBus).publish('order.placed', { id: 'o-1' });
    expect(await module.get(Shipping).shipped).toEqual({ id: 'o-1' });
    await module.close();
  });
});
