import { Injectable } from '@nestjs/common';
import {
  AmqpConnection,
  RabbitMQModule,
  RabbitSubscribe,
  type QueueOptions,
} from '@golevelup/nestjs-rabbitmq';
import type { Contestant, Place } from '../../contestant.js';
import type { Message } from '../../message.js';
import { application } from '../nest.js';
import { EXCHANGE } from './queue.js';

interface Settings {
  readonly queueOptions?: QueueOptions;
  readonly persistent?: boolean;
  readonly prefetchCount?: number;
  readonly connectionOptions?: { readonly noDelay: boolean };
}

/** `@golevelup/nestjs-rabbitmq`, whose client is amqp-connection-manager on amqplib. */
export function golevelup(
  about: Pick<Contestant, 'safety' | 'says'>,
  { queueOptions, persistent, prefetchCount, connectionOptions }: Settings,
): Contestant {
  const rabbit = ({ url }: Place) =>
    RabbitMQModule.forRoot({
      uri: url,
      exchanges: [{ name: EXCHANGE, type: 'topic' }],
      ...(prefetchCount !== undefined && { prefetchCount }),
      ...(connectionOptions && { connectionManagerOptions: { connectionOptions } }),
      ...(persistent && { defaultPublishOptions: { persistent } }),
    });

  return {
    name: '@golevelup/nestjs-rabbitmq',
    ...about,
    async publisher(place) {
      const app = await application({ imports: [rabbit(place)] });
      const connection = app.get(AmqpConnection);
      return {
        send: ([message]) => connection.publish(EXCHANGE, place.name, message),
        close: () => app.close(),
      };
    },
    async consumer(place, handle) {
      @Injectable()
      class Orders {
        @RabbitSubscribe({
          exchange: EXCHANGE,
          routingKey: place.name,
          queue: place.name,
          ...(queueOptions && { queueOptions }),
        })
        async on(message: Message): Promise<void> {
          await handle(message);
        }
      }
      return application({ imports: [rabbit(place)], providers: [Orders] });
    },
  };
}
