import { sqsConsumer } from './sqs-consumer.js';

export default sqsConsumer(
  { safety: 'defaults', says: 'one received at a time; what it loses is time alone' },
  {},
);
