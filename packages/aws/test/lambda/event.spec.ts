import { describe, expect, it } from '@jest/globals';
import { messageOf, recordsOf, type SqsEvent, type SqsRecord } from '../../src/lambda/event.js';

const record: SqsRecord = {
  messageId: 'm-1',
  receiptHandle: 'handle',
  body: '{"id":1}',
  attributes: { ApproximateReceiveCount: '2', SentTimestamp: '1700000000000', MessageGroupId: 'group' },
  messageAttributes: {
    trace: { dataType: 'String', stringValue: 'abc' },
    count: { dataType: 'Number', stringValue: '12' },
    bytes: { dataType: 'Binary', binaryValue: 'AP8B' },
  },
  eventSource: 'aws:sqs',
  eventSourceARN: 'arn:aws:sqs:eu-west-1:000000000000:orders',
};

describe('a record of an event', () => {
  it('becomes the message that the SDK would have received', () => {
    expect(messageOf(record)).toEqual({
      MessageId: 'm-1',
      ReceiptHandle: 'handle',
      Body: '{"id":1}',
      Attributes: record.attributes,
      MessageAttributes: {
        trace: { DataType: 'String', StringValue: 'abc' },
        count: { DataType: 'Number', StringValue: '12' },
        bytes: { DataType: 'Binary', BinaryValue: Buffer.from([0, 255, 1]) },
      },
    });
  });

  it('may have values that are empty, and lists that SQS does not use', () => {
    const messageAttributes = {
      empty: { dataType: 'String', stringValue: '', stringListValues: [], binaryListValues: [] },
    };
    expect(messageOf({ ...record, messageAttributes }).MessageAttributes).toEqual({
      empty: { DataType: 'String', StringValue: '' },
    });
  });
});

describe('an event', () => {
  it('of SQS has its records', () => {
    expect(recordsOf({ Records: [record] })).toEqual([record]);
  });

  it.each([
    ['without records', {}, 'the event has no records: expected those of an SQS event source mapping'],
    ['that is none', undefined, 'the event has no records'],
    ['of SNS', { Records: [{ EventSource: 'aws:sns' }] }, "the event has a record of 'aws:sns'"],
    ['of S3', { Records: [record, { eventSource: 'aws:s3' }] }, "the event has a record of 'aws:s3'"],
    ['of nobody', { Records: [{}] }, "the event has a record of 'nobody'"],
  ])('%s is refused', (_, event, message) => {
    expect(() => recordsOf(event as unknown as SqsEvent)).toThrow(message);
  });
});
