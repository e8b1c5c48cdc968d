import { MOST } from './queue.js';
import { sqsConsumer } from './sqs-consumer.js';

export default sqsConsumer(
  {
    safety: 'equal',
    says: 'sent by the SDK, one by one; ten received and handled at a time, deleted after the handler',
  },
  { batchSize: MOST },
);
