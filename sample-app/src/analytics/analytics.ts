import { Injectable } from '@nestjs/common';
import { OnEvent, type MessageContext } from '@nest-messaging/core';

@Injectable()
export class Analytics {
  private readonly counts = new Map<string, number>();

  /** `*` stands for one word, `#` for any number: `order.*` is each of an order's events, `#` would be all there are. */
  @OnEvent('order.*')
  count(_payload: unknown, { topic }: MessageContext): string {
    const count = (this.counts.get(topic) ?? 0) + 1;
    this.counts.set(topic, count);
    return `${count} so far`;
  }
}
