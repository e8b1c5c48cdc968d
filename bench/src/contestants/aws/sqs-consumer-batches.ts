import { MOST } from './queue.js';
import { sqsConsumer } from './sqs-consumer.js';

export default sqsConsumer(
  {
    safety: 'equal',
    says: 'as before, but its handler is given the ten that were received together, which are deleted by one request after it',
  },
  { batchSize: MOST, batches: true },
);
