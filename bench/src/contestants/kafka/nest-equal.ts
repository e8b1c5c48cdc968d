import { nest } from './nest.js';
import { PARTITIONS } from './topic.js';

export default nest(
  {
    safety: 'equal',
    says: 'acks all, as it comes; all partitions at a time, positions committed after the handler',
  },
  { run: { partitionsConsumedConcurrently: PARTITIONS } },
);
