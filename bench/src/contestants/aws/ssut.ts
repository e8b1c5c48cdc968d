import { Injectable } from '@nestjs/common';
import { SqsMessageHandler, SqsModule, SqsService } from '@ssut/nestjs-sqs';
import type { Message as SqsMessage } from '@aws-sdk/client-sqs';
import type { Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { application } from '../nest.js';
import { makeQueue, sqsClient, prepare } from './queue.js';

/** `@ssut/nestjs-sqs`, on an sqs-consumer and an sqs-producer of its own. */
export const ssut = (
  about: Pick<Contestant, 'safety' | 'says'>,
  options: { readonly batchSize?: number },
): Contestant => ({
  name: '@ssut/nestjs-sqs',
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
    @Injectable()
    class Orders {
      @SqsMessageHandler(place.name)
      async on(message: SqsMessage): Promise<SqsMessage> {
        await handle(JSON.parse(message.Body!) as Message);
        return message;
      }
    }
    const sqs = sqsClient(place);
    const consumer = { name: place.name, sqs, queueUrl: await makeQueue(sqs, place), ...options };
    return application({ imports: [SqsModule.register({ consumers: [consumer] })], providers: [Orders] });
  },
});
