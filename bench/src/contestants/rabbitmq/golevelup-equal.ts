import { HANDS } from '../../contestant.js';
import { golevelup } from './golevelup.js';
import { CONNECTION, QUORUM } from './queue.js';

export default golevelup(
  {
    safety: 'equal',
    says: `quorum queue behind a topic exchange, persistent (it always confirms), noDelay; a prefetch of ${HANDS}, acknowledged after the handler`,
  },
  { queueOptions: QUORUM, persistent: true, prefetchCount: HANDS, connectionOptions: CONNECTION },
);
