import { nest } from './nest.js';
import { PARTITIONS, socketFactory } from './topic.js';

export default nest(
  {
    safety: 'equal',
    says: 'acks all, noDelay; all partitions at a time, positions committed after the handler',
  },
  { run: { partitionsConsumedConcurrently: PARTITIONS }, socketFactory },
);
