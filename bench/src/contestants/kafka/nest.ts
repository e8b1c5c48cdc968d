import { Controller } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientProxyFactory,
  EventPattern,
  Payload,
  Transport,
  type KafkaOptions,
} from '@nestjs/microservices';
import { logLevel, type ISocketFactory } from 'kafkajs';
import { lastValueFrom } from 'rxjs';
import type { Contestant, Place } from '../../contestant.js';
import type { Message } from '../../message.js';
import { moduleOf } from '../nest.js';
import { makeTopic } from './topic.js';

type Options = NonNullable<KafkaOptions['options']>;

/** `@nestjs/microservices` with its Kafka transport, whose client is kafkajs. */
export function nest(
  about: Pick<Contestant, 'safety' | 'says'>,
  { socketFactory, ...options }: Pick<Options, 'run'> & { readonly socketFactory?: ISocketFactory },
): Contestant {
  const transport = ({ url, name }: Place): { transport: Transport.KAFKA; options: Options } => ({
    transport: Transport.KAFKA,
    options: {
      client: { brokers: [url], logLevel: logLevel.ERROR, ...(socketFactory && { socketFactory }) },
      consumer: { groupId: name },
      subscribe: { fromBeginning: true },
      producerOnlyMode: true,
      ...options,
    },
  });
  return {
    name: '@nestjs/microservices',
    beside: 'nest-messaging (kafkajs)',
    ...about,
    async publisher(place) {
      const client = ClientProxyFactory.create(transport(place));
      await client.connect();
      return {
        send: ([message]) => lastValueFrom(client.emit(place.name, message), { defaultValue: undefined }),
        close: async () => client.close(),
      };
    },
    async consumer(place, handle) {
      await makeTopic(place);
      @Controller()
      class Orders {
        @EventPattern(place.name)
        async on(@Payload() message: unknown): Promise<void> {
          await handle(message as Message);
        }
      }
      const app = await NestFactory.createMicroservice(moduleOf({ controllers: [Orders] }), {
        logger: ['error'],
        abortOnError: false,
        ...transport(place),
      });
      await app.listen();
      return app;
    },
  };
}
