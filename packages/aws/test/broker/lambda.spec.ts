import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  SendMessageCommand,
  type Message as SqsMessage,
} from '@aws-sdk/client-sqs';
import { Injectable, Logger, Module, type Type } from '@nestjs/common';
import { aws } from '@nest-messaging/aws';
import {
  createLambdaHandler,
  type LambdaHandler,
  type LambdaHandlerOptions,
  type SqsBatchResponse,
  type SqsEvent,
} from '@nest-messaging/aws/lambda';
import {
  defineEvent,
  EventBus,
  MessagingModule,
  OnEvent,
  OnQueue,
  RetryLater,
  type MessageContext,
} from '@nest-messaging/core';
import { awsOptions, useStage, type Stage } from '../support/stage.js';
import { listed } from '../../../../test/support/dead-letters.js';

const stage = useStage();

const Ordered = defineEvent<{ n: number }>('step', { ordered: true, key: () => 'key' });

interface Lambda {
  readonly handler: LambdaHandler;
  readonly boots: number;
  readonly context: { left: number; getRemainingTimeInMillis(): number };
  /** Hands over what is in a queue, and does with it what Lambda does. */
  invoke(queue: string, count?: number): Promise<SqsBatchResponse>;
}

beforeAll(() => Logger.overrideLogger(false));

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0)) await clean();
});

/** As Lambda's pollers make it of what they have received. */
const eventOf = (queueArn: string, messages: readonly SqsMessage[]): SqsEvent => ({
  Records: messages.map(({ MessageId, ReceiptHandle, Body, Attributes, MessageAttributes }) => ({
    messageId: MessageId!,
    receiptHandle: ReceiptHandle!,
    body: Body!,
    attributes: { ...Attributes },
    messageAttributes: Object.fromEntries(
      Object.entries(MessageAttributes ?? {}).map(([name, { DataType, StringValue, BinaryValue }]) => [
        name,
        {
          dataType: DataType!,
          ...(StringValue === undefined ? {} : { stringValue: StringValue }),
          ...(BinaryValue === undefined ? {} : { binaryValue: Buffer.from(BinaryValue).toString('base64') }),
        },
      ]),
    ),
    eventSource: 'aws:sqs',
    eventSourceARN: queueArn,
  })),
});

function deploy(here: Stage, AppModule: Type<unknown>, options?: LambdaHandlerOptions): Lambda {
  const handler = createLambdaHandler(AppModule, options);
  cleanups.push(() => handler.close());
  const context = { left: 30_000, getRemainingTimeInMillis: () => context.left };
  return {
    handler,
    get boots() {
      return (AppModule as unknown as { boots: number }).boots;
    },
    context,
    async invoke(queue, count = 1) {
      const QueueUrl = await here.queueUrl(queue);
      const { Attributes } = await here.sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
      );
      const messages = await here.receive(QueueUrl, count);
      const answer = await handler(eventOf(Attributes!.QueueArn!, messages), context);
      const failed = new Set(answer.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
      for (const { MessageId, ReceiptHandle } of messages)
        await (failed.has(MessageId!)
          ? here.sqs.send(
              new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }),
            )
          : here.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle })));
      return answer;
    },
  };
}

/** A small application, the same as any; what its handlers do a test says. */
function application(here: Stage) {
  const calls: { readonly what: string; readonly payload: unknown; readonly attempt: number }[] = [];
  const behaviour: {
    handle: (payload: any, context: MessageContext) => unknown;
    boot: () => void;
  } = { handle: () => undefined, boot: () => undefined };

  @Injectable()
  class Handlers {
    constructor(readonly bus: EventBus) {}

    private call(what: string, payload: unknown, context: MessageContext): unknown {
      calls.push({ what, payload, attempt: context.attempt });
      return behaviour.handle(payload, context);
    }

    @OnEvent('order', { retry: { attempts: 2, backoff: { initial: 100, jitter: 0 } } })
    order(payload: unknown, context: MessageContext): unknown {
      return this.call('order', payload, context);
    }

    @OnEvent(Ordered, { retry: { attempts: 2, backoff: { initial: 10, jitter: 0 } } })
    step(payload: { n: number }, context: MessageContext): unknown {
      return this.call('step', payload, context);
    }

    @OnQueue('work', { concurrency: 2 })
    work(payload: unknown, context: MessageContext): unknown {
      return this.call('work', payload, context);
    }
  }

  @Module({
    imports: [MessagingModule.forRoot({ service: 'shop', namespace: here.mark, broker: aws(awsOptions()) })],
    providers: [Handlers],
  })
  class AppModule {
    static boots = 0;
    static bus: EventBus;
    constructor({ bus }: Handlers) {
      AppModule.boots++;
      AppModule.bus = bus;
      behaviour.boot();
    }
  }
  return { AppModule, calls, behaviour };
}

/** What a deployment does beforehand: queues and topics are there. */
async function deployed(options?: LambdaHandlerOptions) {
  const here = stage();
  const app = application(here);
  const publisher = await here.open({}, { service: 'shop' });
  const lambda = deploy(here, app.AppModule, options);
  const names = {
    order: `${here.mark}_shop_order`,
    step: `${here.mark}_shop_step.fifo`,
    work: `${here.mark}_work`,
  };
  // The first event boots it, and makes all that is missing.
  expect(await lambda.handler({ Records: [] }, lambda.context)).toEqual({ batchItemFailures: [] });
  return { here, ...app, publisher, lambda, names };
}

const emptied = async ({ sqs }: Stage, QueueUrl: string): Promise<number> => {
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({
      QueueUrl,
      AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
    }),
  );
  return (
    Number(Attributes!.ApproximateNumberOfMessages) +
    Number(Attributes!.ApproximateNumberOfMessagesNotVisible)
  );
};

describe('a function', () => {
  it('boots with its first event, and once', async () => {
    const { lambda, publisher, names, calls } = await deployed();
    await publisher.publish('order', '{"n":1}');
    await publisher.enqueue('work', '{"n":2}');
    expect(await lambda.invoke(names.order)).toEqual({ batchItemFailures: [] });
    expect(await lambda.invoke(names.work)).toEqual({ batchItemFailures: [] });
    expect(calls).toEqual([
      { what: 'order', payload: { n: 1 }, attempt: 1 },
      { what: 'work', payload: { n: 2 }, attempt: 1 },
    ]);
    expect(lambda.boots).toBe(1);
  });

  it('polls nothing itself', async () => {
    const { here, publisher, names, calls } = await deployed();
    await publisher.publish('order', '{"n":1}');
    const [message] = await here.receive(await here.queueUrl(names.order));
    expect(message!.Attributes!.ApproximateReceiveCount).toBe('1');
    expect(calls).toEqual([]);
  });

  it('boots anew with the next event if it could not', async () => {
    const here = stage();
    const { AppModule, behaviour } = application(here);
    const lambda = deploy(here, AppModule);
    behaviour.boot = () => {
      throw new Error('the database is away');
    };
    await expect(lambda.handler({ Records: [] }, lambda.context)).rejects.toThrow('the database is away');
    behaviour.boot = () => undefined;
    expect(await lambda.handler({ Records: [] }, lambda.context)).toEqual({ batchItemFailures: [] });
    expect(lambda.boots).toBe(2);
  });

  it('fails rather than be cut off while it boots, and goes on with the next event', async () => {
    const here = stage();
    const { AppModule } = application(here);
    const lambda = deploy(here, AppModule, { reserve: 200 });
    lambda.context.left = 101;
    await expect(lambda.handler({ Records: [] }, lambda.context)).rejects.toThrow(
      /had not started 100 ms before the function's time was up/,
    );
    lambda.context.left = 30_000;
    await lambda.handler({ Records: [] }, lambda.context);
    expect(lambda.boots).toBe(1);
  });

  it('handles all at once, up to the concurrency of the handler', async () => {
    const { lambda, publisher, names, behaviour } = await deployed();
    let running = 0;
    let most = 0;
    behaviour.handle = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
    };
    await Promise.all([1, 2, 3, 4, 5].map((n) => publisher.enqueue('work', `${n}`)));
    await lambda.invoke(names.work, 5);
    expect(most).toBe(2);
  });

  it('publishes as everywhere', async () => {
    const { lambda, publisher, names, calls, behaviour, AppModule } = await deployed();
    behaviour.handle = (payload: { n: number }) =>
      payload.n === 1 ? AppModule.bus.enqueue('work', { n: 2 }) : undefined;
    await publisher.publish('order', '{"n":1}');
    await lambda.invoke(names.order);
    await lambda.invoke(names.work);
    expect(calls.map(({ what, payload }) => [what, payload])).toEqual([
      ['order', { n: 1 }],
      ['work', { n: 2 }],
    ]);
  });

  it('retries by a copy, and Lambda deletes the original', async () => {
    const { here, lambda, publisher, names, calls, behaviour } = await deployed();
    behaviour.handle = (_: unknown, { attempt }: MessageContext) => {
      if (attempt === 1) throw new Error('once');
    };
    await publisher.publish('order', '{"n":1}');
    expect(await lambda.invoke(names.order)).toEqual({ batchItemFailures: [] });
    expect(await lambda.invoke(names.order)).toEqual({ batchItemFailures: [] });
    expect(calls.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(await emptied(here, await here.queueUrl(names.order))).toBe(0);
  });

  it('sets aside after the last attempt, and what is poison', async () => {
    const { here, lambda, publisher, names, behaviour } = await deployed();
    behaviour.handle = () => {
      throw new Error('always');
    };
    await publisher.publish('order', '{"n":1}');
    for (const _ of [1, 2]) expect(await lambda.invoke(names.order)).toEqual({ batchItemFailures: [] });
    await publisher.publish('order', 'no JSON');
    expect(await lambda.invoke(names.order)).toEqual({ batchItemFailures: [] });
    const id = { source: { kind: 'topic', name: 'order' }, group: 'shop' } as const;
    const letters = await listed(publisher.transport.deadLetters, id, 10);
    expect(letters.map(({ attempts, failure }) => [attempts, failure.name])).toEqual([
      [2, 'Error'],
      [1, 'UndecodableError'],
    ]);
    expect(await emptied(here, await here.queueUrl(names.order))).toBe(0);
  });

  it('handles what plain clients sent', async () => {
    const { here, lambda, names, calls } = await deployed();
    await here.sqs.send(
      new SendMessageCommand({
        QueueUrl: await here.queueUrl(names.work),
        MessageBody: '{"from":"outside"}',
        MessageAttributes: { bytes: { DataType: 'Binary', BinaryValue: Buffer.from([0, 255]) } },
      }),
    );
    await lambda.invoke(names.work);
    expect(calls).toMatchObject([{ what: 'work', payload: { from: 'outside' } }]);
  });
});

describe('messages with an order', () => {
  it('are handled in it, one after the other, and retried in their place', async () => {
    const { lambda, publisher, names, calls, behaviour } = await deployed();
    behaviour.handle = ({ n }: { n: number }, { attempt }: MessageContext) => {
      if (n === 1 && attempt === 1) throw new Error('once');
    };
    for (const n of [1, 2, 3])
      await publisher.publish('step', JSON.stringify({ n }), { ordered: true, key: 'key' });
    // The emulator gives one message of a group at a time; Lambda's pollers take ten.
    for (const _ of [1, 2, 3]) expect(await lambda.invoke(names.step)).toEqual({ batchItemFailures: [] });
    expect(calls.map(({ payload, attempt }) => [(payload as { n: number }).n, attempt])).toEqual([
      [1, 1],
      [1, 2],
      [2, 1],
      [3, 1],
    ]);
  });

  it('are given back while they wait for another attempt, when time runs out', async () => {
    const { lambda, publisher, names, calls, behaviour } = await deployed({ reserve: 400 });
    behaviour.handle = () => {
      throw new RetryLater('1h');
    };
    await publisher.publish('step', '{"n":1}', { ordered: true, key: 'key' });
    lambda.context.left = 1_000;
    expect((await lambda.invoke(names.step)).batchItemFailures).toHaveLength(1);
    behaviour.handle = () => undefined;
    expect(await lambda.invoke(names.step)).toEqual({ batchItemFailures: [] });
    expect(calls.map(({ attempt }) => attempt)).toEqual([1, 1]);
  });

  it('that follow a failure in their batch are not handled', async () => {
    const { lambda, names, calls, behaviour } = await deployed({ reserve: 400 });
    lambda.context.left = 1_000;
    behaviour.handle = ({ n }: { n: number }, { signal }: MessageContext) =>
      n === 2 ? new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())) : undefined;
    const records = [1, 2, 3].map((n) => ({
      MessageId: `m${n}`,
      ReceiptHandle: `h${n}`,
      Body: JSON.stringify({ n }),
      Attributes: { MessageGroupId: 'key' },
    }));
    const event = eventOf(`arn:aws:sqs:eu-west-1:000000000000:${names.step}`, records);
    expect(await lambda.handler(event, lambda.context)).toEqual({
      batchItemFailures: [{ itemIdentifier: 'm2' }, { itemIdentifier: 'm3' }],
    });
    expect(calls.map(({ payload }) => payload)).toEqual([{ n: 1 }, { n: 2 }]);
  });
});

describe('time that runs out', () => {
  it('tells what runs, reports it as failed, and sends no copy of it', async () => {
    const { here, lambda, publisher, names, calls, behaviour } = await deployed({ reserve: 400 });
    let told: unknown;
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    behaviour.handle = async (payload: { n: number }, { signal }: MessageContext) => {
      if (payload.n === 1) return;
      try {
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      } catch (error) {
        told = error;
        throw error;
      } finally {
        end();
      }
    };
    await publisher.publish('order', '{"n":1}');
    await publisher.publish('order', '{"n":2}');
    lambda.context.left = 1_000;
    const QueueUrl = await here.queueUrl(names.order);
    const { batchItemFailures } = await lambda.invoke(names.order, 2);
    expect(batchItemFailures).toHaveLength(1);
    await ended;
    expect(told).toMatchObject({ code: 'CLOSED', message: expect.stringContaining('time is nearly up') });
    lambda.context.left = 30_000;
    behaviour.handle = () => undefined;
    expect(await lambda.invoke(names.order)).toEqual({ batchItemFailures: [] });
    expect(calls.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
    expect(await emptied(here, QueueUrl)).toBe(0);
  });
});

describe('an event', () => {
  it('of a queue without a handler is reported as failed, and says what to do', async () => {
    const { lambda, names } = await deployed();
    const said: string[] = [];
    Logger.overrideLogger({
      log: () => undefined,
      warn: () => undefined,
      error: (message: string) => void said.push(message),
    });
    cleanups.push(() => Logger.overrideLogger(false));
    const records = [{ MessageId: 'm1', ReceiptHandle: 'h1', Body: '{}' }];
    const event = eventOf('arn:aws:sqs:eu-west-1:000000000000:other', records);
    expect(await lambda.handler(event, lambda.context)).toEqual({
      batchItemFailures: [{ itemIdentifier: 'm1' }],
    });
    expect(said).toEqual([
      expect.stringMatching(
        /1 messages of queue 'other' are reported as failed, since no handler .* takes them/,
      ),
    ]);
    expect(said[0]).toContain(names.work);
  });

  it('of another kind fails the invocation', async () => {
    const { lambda } = await deployed();
    const event = { Records: [{ EventSource: 'aws:sns' }] } as unknown as SqsEvent;
    await expect(lambda.handler(event, lambda.context)).rejects.toThrow(/a record of 'aws:sns': expected/);
  });
});

describe('a publish with a delay', () => {
  it('of an event is refused, since nobody would pass it on', async () => {
    const { here, AppModule } = await deployed();
    await expect(AppModule.bus.publish('order', {}, { delay: '2s' })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining(
        `make queue '${here.mark}_shop--delay' an event source of the function`,
      ),
    });
  });

  it('of a task needs nobody', async () => {
    const { AppModule, lambda, names, calls } = await deployed();
    await AppModule.bus.enqueue('work', { n: 1 }, { delay: '1s' });
    await lambda.invoke(names.work);
    expect(calls).toMatchObject([{ what: 'work', payload: { n: 1 } }]);
  });

  it('of an event is passed on by the function, where its queue is an event source', async () => {
    const { here, AppModule, lambda, names, calls } = await deployed({ delays: true });
    await AppModule.bus.publish('order', { n: 1 }, { delay: '1s' });
    expect(await lambda.invoke(`${here.mark}_shop--delay`)).toEqual({ batchItemFailures: [] });
    await lambda.invoke(names.order);
    expect(calls).toMatchObject([{ what: 'order', payload: { n: 1 } }]);
  });
});

describe('a broadcast', () => {
  it('is refused at start', async () => {
    const here = stage();
    @Injectable()
    class Caches {
      @OnEvent('price', { broadcast: true })
      forget(): void {}
    }
    @Module({
      imports: [
        MessagingModule.forRoot({ service: 'shop', namespace: here.mark, broker: aws(awsOptions()) }),
      ],
      providers: [Caches],
    })
    class AppModule {}
    const lambda = deploy(here, AppModule);
    await expect(lambda.handler({ Records: [] }, lambda.context)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
  });
});

describe('the options of a function', () => {
  it.each([
    [{ reserve: 0 }, /createLambdaHandler options\.reserve is 0: expected a duration longer than 0/],
    [{ delay: true }, /unknown option createLambdaHandler options\.delay: valid are reserve, delays, nest/],
  ])('%j are refused', (options, message) => {
    expect(() => createLambdaHandler(class {}, options as LambdaHandlerOptions)).toThrow(message);
  });
});
