import { Injectable } from '@nestjs/common';
import { SqsMessageHandler, SqsModule, SqsService } from '@ssut/nestjs-sqs';
import type { Message as SqsMessage } from '@aws-sdk/client-sqs';
import type { Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { application } from '../nest.js';
import { makeQueue, sqsClient, prepare } from './queue.js';
import type { Settings } from './sqs-consumer.js';

/** `@ssut/nestjs-sqs`, on an sqs-consumer and an sqs-producer of its own. */
export const ssut = (
  about: Pick<Contestant, 'safety' | 'says'>,
  { batches = false, ...options }: Settings,
): Contestant => ({
  name: batches ? '@ssut/nestjs-sqs, batches' : '@ssut/nestjs-sqs',
  ...about,
  prepare,
  async publisher(place) {
    const sqs = sqsClient(place);
    const producer = { name: place.name, sqs, queueUrl: await makeQueue(sqs, place) };
    const app = await application({ imports: [SqsModule.register({ producers: [producer] })] });
    const service = app.get(SqsService);
    return {
      send: ([message]) => service.send(place.name, { id: `${message!.id}`, body: message }),
      close: () => app.close(),
    };
  },
  async consumer(place, handle) {
    const order = ({ Body }: SqsMessage): Promise<void> => handle(JSON.parse(Body!) as Message);
    @Injectable()
    class Orders {
      @SqsMessageHandler(place.name)
      async on(message: SqsMessage): Promise<SqsMessage> {
        await order(message);
        return message;
      }
    }
    @Injectable()
    class OrdersInBatches {
      @SqsMessageHandler(place.name, true)
      async on(messages: SqsMessage[]): Promise<SqsMessage[]> {
        await Promise.all(messages.map(order));
        return messages;
      }
    }
    const sqs = sqsClient(place);
    const consumer = { name: place.name, sqs, queueUrl: await makeQueue(sqs, place), ...options };
    return application({
      imports: [SqsModule.register({ consumers: [consumer] })],
      providers: [batches ? OrdersInBatches : Orders],
    });
  },
});
