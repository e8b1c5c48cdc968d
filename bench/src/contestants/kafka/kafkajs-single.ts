import { kafkajs } from './kafkajs.js';
import { PARTITIONS, socketFactory } from './topic.js';

export default kafkajs(
  {
    name: 'kafkajs, one a send',
    safety: 'equal',
    says: 'acks all, noDelay; eachMessage on all partitions at a time, positions committed after the handler',
  },
  { partitionsConsumedConcurrently: PARTITIONS, socketFactory },
);
