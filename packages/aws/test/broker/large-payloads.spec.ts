import { describe, expect, it } from '@jest/globals';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { CreateTopicCommand, PublishCommand, SubscribeCommand } from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  SendMessageCommand,
  type MessageAttributeValue,
} from '@aws-sdk/client-sqs';
import type { AwsOptions } from '../../src/index.js';
import { queueName, topicName } from '../../src/names.js';
import { acknowledge, deadLetter, retry, until, useStage, type Stage } from '../support/stage.js';
import { listed } from '../../../../test/support/dead-letters.js';

const stage = useStage();

const settings = (bucket: string, more?: Partial<NonNullable<AwsOptions['largePayloads']>>): AwsOptions => ({
  largePayloads: { bucket, client: { forcePathStyle: true }, ...more },
});

const LARGE = JSON.stringify({ text: 'ä'.repeat(150_000) });
const id = { source: { kind: 'topic', name: 'big' }, group: 'group' } as const;

const keysIn = async ({ s3 }: Stage, Bucket: string): Promise<string[]> => {
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }));
  return Contents.map(({ Key }) => Key!);
};

/** What the extended client for Java sends. */
const foreignPointer = (
  bucket: string,
  key: string,
  attribute = 'ExtendedPayloadSize',
  kind = 'software.amazon.payloadoffloading.PayloadS3Pointer',
) => ({
  MessageBody: JSON.stringify([kind, { s3BucketName: bucket, s3Key: key }]),
  MessageAttributes: { [attribute]: { DataType: 'Number', StringValue: '17' } } as Record<
    string,
    MessageAttributeValue
  >,
});

describe('a body too large for a message', () => {
  it('reaches every subscription of its topic, and stays in the bucket', async () => {
    const here = stage();
    const bucket = await here.bucket();
    const application = await here.open(settings(bucket, { prefix: 'service/' }));
    const one = await application.subscribe('big');
    const two = await application.subscribe('big', undefined, { group: 'other' });
    await application.publish('big', LARGE, { headers: { trace: 'abc' } });
    await until(() => one.seen.length === 1 && two.seen.length === 1, 'both groups');
    for (const { seen } of [one, two])
      expect(seen[0]).toMatchObject({ text: LARGE, message: { headers: { trace: 'abc' } } });
    expect(await keysIn(here, bucket)).toEqual([expect.stringMatching(/^service\/[0-9a-f-]{36}$/)]);
    // As it came: the pointer.
    expect(one.seen[0]!.raw).toMatchObject({ Body: expect.stringContaining('PayloadS3Pointer') });
  });

  it('reaches a worker of its queue, and is no text', async () => {
    const here = stage();
    const application = await here.open(settings(await here.bucket(), { above: 0 }));
    const worker = await application.subscribe({ kind: 'queue', name: 'work' });
    const bytes = Buffer.from([0, 255, 1, 254]);
    await application.enqueue('work', bytes, { contentType: 'application/octet-stream' });
    await until(() => worker.seen.length === 1, 'the worker');
    expect(Buffer.from(worker.seen[0]!.message.body)).toEqual(bytes);
    expect(worker.seen[0]!.message.contentType).toBe('application/octet-stream');
  });

  it('takes no way over S3 unless it is larger than the option says', async () => {
    const here = stage();
    const bucket = await here.bucket();
    const application = await here.open(settings(bucket));
    const probe = await application.subscribe('big');
    await application.publish('big', 'x'.repeat(260_000));
    await until(() => probe.seen.length === 1, 'the handler');
    expect(await keysIn(here, bucket)).toEqual([]);
  });

  it('is read again after a retry, and is stored once', async () => {
    const here = stage();
    const bucket = await here.bucket();
    const application = await here.open(settings(bucket));
    const probe = await application.subscribe('big', ({ attempt }) =>
      attempt === 1 ? retry(10) : acknowledge,
    );
    await application.publish('big', LARGE);
    await until(() => probe.seen.length === 2, 'two attempts');
    expect(probe.seen.map(({ text, attempt }) => [text === LARGE, attempt])).toEqual([
      [true, 1],
      [true, 2],
    ]);
    expect(await keysIn(here, bucket)).toHaveLength(1);
  });

  it('is shown among dead letters, and read again after a redrive', async () => {
    const here = stage();
    const bucket = await here.bucket();
    const application = await here.open(settings(bucket));
    let broken = true;
    const probe = await application.subscribe('big', () => (broken ? deadLetter : acknowledge));
    await application.publish('big', LARGE);
    const { deadLetters } = application.transport;
    await until(async () => (await listed(deadLetters, id, 10)).length === 1, 'the dead letter');
    const [letter] = await listed(deadLetters, id, 10);
    expect(Buffer.from(letter!.message.body).toString()).toBe(LARGE);
    expect(letter!.failure.message).toBe('as the test wants it');
    broken = false;
    expect(await deadLetters.redrive(id)).toBe(1);
    await until(() => probe.seen.length === 2, 'the redriven message');
    expect(probe.seen[1]).toMatchObject({ text: LARGE, attempt: 1 });
    expect(await keysIn(here, bucket)).toHaveLength(1);
  });

  it('may be published with a delay', async () => {
    const here = stage();
    const bucket = await here.bucket();
    const application = await here.open(settings(bucket));
    const probe = await application.subscribe('big');
    const worker = await application.subscribe({ kind: 'queue', name: 'work' });
    await application.publish('big', LARGE, { delay: 1_200 });
    await application.enqueue('work', LARGE, { delay: 1_200 });
    await until(() => probe.seen.length === 1 && worker.seen.length === 1, 'both handlers');
    expect([probe.seen[0]!.text, worker.seen[0]!.text]).toEqual([LARGE, LARGE]);
    expect(await keysIn(here, bucket)).toHaveLength(2);
  });

  it('keeps the order of its key', async () => {
    const here = stage();
    const application = await here.open(settings(await here.bucket(), { above: 1_000 }));
    const probe = await application.subscribe('steps', undefined, { ordered: true, maxUnsettled: 100 });
    const bodies = Array.from({ length: 12 }, (_, at) =>
      at % 3 === 0 ? `${at}${'.'.repeat(50_000)}` : `${at}`,
    );
    await Promise.all(bodies.map((body) => application.publish('steps', body, { ordered: true, key: 'k' })));
    await until(() => probe.seen.length === bodies.length, 'all');
    expect(probe.seen.map(({ text }) => text)).toEqual(bodies);
  });

  it('is found by the plain SDK where the pointer says', async () => {
    const here = stage();
    const bucket = await here.bucket();
    const application = await here.open(settings(bucket));
    const { QueueUrl } = await here.sqs.send(new CreateQueueCommand({ QueueName: `${here.mark}-plain` }));
    const { Attributes } = await here.sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
    );
    const Name = topicName({ namespace: here.mark }, 'big', false);
    const { TopicArn } = await here.sns.send(new CreateTopicCommand({ Name }));
    await here.sns.send(
      new SubscribeCommand({
        TopicArn,
        Protocol: 'sqs',
        Endpoint: Attributes!.QueueArn,
        Attributes: { RawMessageDelivery: 'true' },
      }),
    );
    await application.publish('big', LARGE, { contentType: 'application/json; charset=utf-8' });
    const [message] = await here.receive(QueueUrl!);
    const [kind, place] = JSON.parse(message!.Body!) as [string, { s3BucketName: string; s3Key: string }];
    expect(kind).toBe('software.amazon.payloadoffloading.PayloadS3Pointer');
    expect(message!.MessageAttributes!['ExtendedPayloadSize']).toMatchObject({
      DataType: 'Number',
      StringValue: String(Buffer.byteLength(LARGE)),
    });
    const object = await here.s3.send(new GetObjectCommand({ Bucket: place.s3BucketName, Key: place.s3Key }));
    expect(object.ContentType).toBe('application/json; charset=utf-8');
    expect(await object.Body!.transformToString()).toBe(LARGE);
  });

  it('is refused where it is larger than maxBodySize, and stored nowhere', async () => {
    const here = stage();
    const bucket = await here.bucket();
    const application = await here.open({ ...settings(bucket, { above: 10 }), maxBodySize: 100 });
    expect(application.transport.capabilities.maxBodySize).toBe(100);
    await expect(application.publish('big', 'x'.repeat(101))).rejects.toThrow(
      /101 bytes: at most 100 .*aws\.maxBodySize/,
    );
    expect(await keysIn(here, bucket)).toEqual([]);
  });

  it('is as large as 16 MiB by default, and 180,000 bytes without a bucket', async () => {
    const here = stage();
    const large = await here.open(settings(await here.bucket()));
    const small = await here.open();
    expect(large.transport.capabilities.maxBodySize).toBe(16 * 1024 * 1024);
    expect(small.transport.capabilities.maxBodySize).toBe(180_000);
  });
});

describe('a pointer that others wrote', () => {
  const opened = async (options?: Partial<AwsOptions>) => {
    const here = stage();
    const bucket = await here.bucket();
    const application = await here.open({ ...settings(bucket), ...options });
    const source = { kind: 'queue', name: 'work' } as const;
    const worker = await application.subscribe(source);
    const QueueUrl = await here.queueUrl(queueName({ namespace: here.mark }, 'work', false));
    const { deadLetters } = application.transport;
    const letters = () => listed(deadLetters, { source, group: 'group' }, 10);
    return { here, bucket, application, worker, QueueUrl, letters, deadLetters, source };
  };

  it.each([
    ['today', 'ExtendedPayloadSize', 'software.amazon.payloadoffloading.PayloadS3Pointer'],
    ['in its first versions', 'SQSLargePayloadSize', 'com.amazon.sqs.javamessaging.MessageS3Pointer'],
  ])('as the extended client does %s is read', async (_, attribute, kind) => {
    const { here, bucket, worker, QueueUrl } = await opened();
    await here.s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'their-key', Body: '{"from":"java"}' }));
    const pointer = foreignPointer(bucket, 'their-key', attribute, kind);
    await here.sqs.send(new SendMessageCommand({ QueueUrl, ...pointer }));
    await until(() => worker.seen.length === 1, 'the worker');
    expect(worker.seen[0]).toMatchObject({ text: '{"from":"java"}', message: { headers: {} } });
  });

  it('in the envelope of SNS is read', async () => {
    const { here, bucket, application } = await opened();
    const probe = await application.subscribe('big');
    await here.s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'their-key', Body: '{"from":"java"}' }));
    const { MessageBody, MessageAttributes } = foreignPointer(bucket, 'their-key');
    const TopicArn = (
      await here.sns.send(
        new CreateTopicCommand({ Name: topicName({ namespace: here.mark }, 'other', false) }),
      )
    ).TopicArn!;
    const queue = await here.queueUrl(`${here.mark}_group_big`);
    const { Attributes } = await here.sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: queue, AttributeNames: ['QueueArn'] }),
    );
    await here.sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: Attributes!.QueueArn }));
    await here.sns.send(new PublishCommand({ TopicArn, Message: MessageBody, MessageAttributes }));
    await until(() => probe.seen.length === 1, 'the handler');
    expect(probe.seen[0]!.text).toBe('{"from":"java"}');
  });

  it('into another bucket is not followed: the message is set aside as it is', async () => {
    const { here, application, bucket, worker, QueueUrl, letters } = await opened();
    const other = await here.bucket();
    await here.s3.send(new PutObjectCommand({ Bucket: other, Key: 'secret', Body: '"secret"' }));
    const pointer = foreignPointer(other, 'secret');
    await here.sqs.send(new SendMessageCommand({ QueueUrl, ...pointer }));
    await until(async () => (await letters()).length === 1, 'the dead letter');
    const [letter] = await letters();
    expect(Buffer.from(letter!.message.body).toString()).toBe(pointer.MessageBody);
    expect(letter).toMatchObject({ attempts: 0, failure: { name: 'UndecodableError', code: 'UNDECODABLE' } });
    expect(letter!.failure.message).toContain(
      `its body is in bucket '${other}', and only '${bucket}' is read (aws.largePayloads.bucket)`,
    );
    expect(application.warnings).toContainEqual(
      expect.stringMatching(/could not be read from S3: it is set aside/),
    );
    expect(worker.seen).toEqual([]);
  });

  it('without largePayloads is not handed to a handler that expects something else', async () => {
    const { here, bucket, worker, QueueUrl, letters } = await opened({ largePayloads: undefined });
    await here.sqs.send(new SendMessageCommand({ QueueUrl, ...foreignPointer(bucket, 'key') }));
    await until(async () => (await letters()).length === 1, 'the dead letter');
    expect((await letters())[0]!.failure.message).toContain('give aws.largePayloads.bucket, and redrive it');
    expect(worker.seen).toEqual([]);
  });

  it('to an object that is gone is set aside, and says so, until the object is back', async () => {
    const { here, bucket, worker, QueueUrl, letters, deadLetters, source } = await opened();
    await here.sqs.send(new SendMessageCommand({ QueueUrl, ...foreignPointer(bucket, 'gone') }));
    await until(async () => (await letters()).length === 1, 'the dead letter');
    const { failure, unreadable } = (await letters())[0]!;
    expect(failure.message).toContain(`'gone' in bucket '${bucket}', is not there any more`);
    expect(unreadable).toBe(failure.message);
    await here.s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'gone', Body: '"back"' }));
    expect(await deadLetters.redrive({ source, group: 'group' })).toBe(1);
    await until(() => worker.seen.length === 1, 'the worker');
    expect(worker.seen[0]!.text).toBe('"back"');
  });

  it('to an object larger than maxBodySize is set aside', async () => {
    const { here, bucket, QueueUrl, letters } = await opened({ maxBodySize: 1_000 });
    await here.s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'huge', Body: 'x'.repeat(1_001) }));
    await here.sqs.send(new SendMessageCommand({ QueueUrl, ...foreignPointer(bucket, 'huge') }));
    await until(async () => (await letters()).length === 1, 'the dead letter');
    expect((await letters())[0]!.failure).toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
      message: expect.stringContaining('1001 bytes: at most 1000 are read (aws.maxBodySize)'),
    });
  });

  it('keeps what marks it, however many attributes there are', async () => {
    const { here, bucket, application } = await opened();
    const probe = await application.subscribe('big', ({ attempt }) =>
      attempt === 1 ? retry(10) : acknowledge,
    );
    await here.s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'many', Body: '"many"' }));
    const { MessageBody, MessageAttributes } = foreignPointer(bucket, 'many');
    const nine = Object.fromEntries(
      Array.from({ length: 9 }, (_, at) => [`A${at}`, { DataType: 'String', StringValue: `${at}` }]),
    );
    const QueueUrl = await here.queueUrl(`${here.mark}_group_big`);
    await here.sqs.send(
      new SendMessageCommand({ QueueUrl, MessageBody, MessageAttributes: { ...nine, ...MessageAttributes } }),
    );
    await until(() => probe.seen.length === 2, 'two attempts');
    expect(probe.seen.map(({ text }) => text)).toEqual(['"many"', '"many"']);
  });
});

describe('the bucket', () => {
  it('must be there when the application starts', async () => {
    const here = stage();
    await expect(here.open(settings(`${here.mark}-none`))).rejects.toMatchObject({
      code: 'TOPOLOGY',
      message: expect.stringMatching(/bucket '.*-none' does not exist: create it/),
    });
  });

  it('is not looked for with topology none: a missing one is told at the first message', async () => {
    const here = stage();
    await (await here.open()).subscribe('big');
    const application = await here.open(settings(`${here.mark}-none`, { above: 0 }), { topology: 'none' });
    await expect(application.publish('big', '"x"')).rejects.toMatchObject({
      code: 'PUBLISH_REJECTED',
      message: expect.stringMatching(/S3 refused a body too large for a message in bucket '.*-none'/),
    });
  });

  it('whose object is deleted between publish and handling dead-letters the message', async () => {
    const here = stage();
    const bucket = await here.bucket();
    const publisher = await here.open(settings(bucket, { above: 0 }));
    await publisher.enqueue('later', '"x"');
    const [Key] = await keysIn(here, bucket);
    await here.s3.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
    const worker = await publisher.subscribe({ kind: 'queue', name: 'later' });
    const { deadLetters } = publisher.transport;
    const source = { kind: 'queue', name: 'later' } as const;
    await until(
      async () => (await listed(deadLetters, { source, group: 'group' }, 1)).length === 1,
      'the letter',
    );
    expect(worker.seen).toEqual([]);
  });
});
