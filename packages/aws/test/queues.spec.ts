import { describe, expect, it } from '@jest/globals';
import { admitting } from '../src/queues.js';

const queue = 'arn:aws:sqs:eu-west-1:123456789012:shop_billing_order_placed';
const own = {
  Sid: 'NestMessagingTopics',
  Effect: 'Allow',
  Principal: { Service: 'sns.amazonaws.com' },
  Action: 'sqs:SendMessage',
  Resource: queue,
  Condition: { ArnLike: { 'aws:SourceArn': ['arn:aws:sns:eu-west-1:123456789012:shop_order_placed'] } },
};

describe('the policy of a queue', () => {
  it('lets the topics of its subscription in, and nobody else', () => {
    expect(JSON.parse(admitting(undefined, queue, ['shop_order_placed'])!)).toEqual({
      Version: '2012-10-17',
      Statement: [own],
    });
  });

  it('keeps what others have put there', () => {
    const foreign = {
      Sid: 'Auditors',
      Effect: 'Allow',
      Principal: '*',
      Action: 'sqs:ReceiveMessage',
      Resource: queue,
    };
    const policy = JSON.stringify({ Version: '2008-10-17', Id: 'ours', Statement: [foreign] });
    expect(JSON.parse(admitting(policy, queue, ['shop_order_placed'])!)).toEqual({
      Version: '2008-10-17',
      Id: 'ours',
      Statement: [foreign, own],
    });
  });

  it('is left alone where it says so already', () => {
    const policy = admitting(undefined, queue, ['shop_order_placed'])!;
    expect(admitting(policy, queue, ['shop_order_placed'])).toBeUndefined();
  });

  it('is mended where its own statement is another', () => {
    const policy = admitting(undefined, queue, ['shop_order'])!;
    expect(JSON.parse(admitting(policy, queue, ['shop_order_placed'])!).Statement).toEqual([own]);
  });

  it('names the partition of the queue', () => {
    const chinese = 'arn:aws-cn:sqs:cn-north-1:123456789012:q';
    expect(admitting(undefined, chinese, ['t'])).toContain('arn:aws-cn:sns:cn-north-1:123456789012:t');
  });
});
