import { HANDS } from '../../contestant.js';
import { golevelup } from './golevelup.js';
import { QUORUM } from './queue.js';

export default golevelup(
  {
    safety: 'equal',
    says: `quorum queue behind a topic exchange, persistent (it always confirms); a prefetch of ${HANDS}, acknowledged after the handler`,
  },
  { queueOptions: QUORUM, persistent: true, prefetchCount: HANDS },
);
