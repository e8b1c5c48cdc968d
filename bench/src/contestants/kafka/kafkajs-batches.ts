import { kafkajs } from './kafkajs.js';
import { PARTITIONS, socketFactory } from './topic.js';

export default kafkajs(
  {
    name: 'kafkajs, batches of 500',
    safety: 'equal',
    batch: 500,
    says: 'as before, but 500 messages are there at once, and are sent in one request',
  },
  { partitionsConsumedConcurrently: PARTITIONS, socketFactory },
);
