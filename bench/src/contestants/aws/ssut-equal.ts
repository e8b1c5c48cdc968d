import { MOST } from './queue.js';
import { ssut } from './ssut.js';

export default ssut(
  {
    safety: 'equal',
    says: 'a request for each message sent; ten received and handled at a time, deleted after the handler',
  },
  { batchSize: MOST },
);
