import { Controller, Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientProxyFactory,
  Ctx,
  EventPattern,
  Payload,
  RmqContext,
  Transport,
  type RmqOptions,
} from '@nestjs/microservices';
import type { Channel, ConsumeMessage } from 'amqplib';
import { lastValueFrom } from 'rxjs';
import type { Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { moduleOf } from '../nest.js';
import { KEY } from './queue.js';

/** As its documentation has it: by hand, through the context. */
const acknowledge = (context: RmqContext): void =>
  (context.getChannelRef() as Channel).ack(context.getMessage() as unknown as ConsumeMessage);

/** `@nestjs/microservices` with its RabbitMQ transport, whose client is amqp-connection-manager on amqplib. */
export const nest = (
  about: Pick<Contestant, 'safety' | 'says'>,
  { queueOptions, socketOptions, persistent, ...taking }: NonNullable<RmqOptions['options']>,
): Contestant => {
  const shared = { ...(queueOptions && { queueOptions }), ...(socketOptions && { socketOptions }) };
  return {
    name: '@nestjs/microservices',
    ...about,
    async publisher({ url, name }) {
      Logger.overrideLogger(['error']);
      const client = ClientProxyFactory.create({
        transport: Transport.RMQ,
        options: { urls: [url], queue: name, ...shared, ...(persistent !== undefined && { persistent }) },
      });
      await client.connect();
      return {
        send: ([message]) => lastValueFrom(client.emit(KEY, message), { defaultValue: undefined }),
        close: async () => client.close(),
      };
    },
    async consumer({ url, name }, handle) {
      @Controller()
      class Orders {
        @EventPattern(KEY)
        async on(@Payload() message: Message, @Ctx() context: unknown): Promise<void> {
          await handle(message);
          if (taking.noAck === false) acknowledge(context as RmqContext);
        }
      }
      const app = await NestFactory.createMicroservice(moduleOf({ controllers: [Orders] }), {
        logger: ['error'],
        abortOnError: false,
        transport: Transport.RMQ,
        options: { urls: [url], queue: name, ...shared, ...taking },
      });
      await app.listen();
      return app;
    },
  };
};
