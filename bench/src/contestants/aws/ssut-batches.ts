import { MOST } from './queue.js';
import { ssut } from './ssut.js';

export default ssut(
  {
    safety: 'equal',
    says: 'as before, but its handler is given the ten that were received together, which are deleted by one request after it',
  },
  { batchSize: MOST, batches: true },
);
