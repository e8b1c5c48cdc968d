import { HANDS } from '../../contestant.js';
import { nest } from './nest.js';
import { CONNECTION, QUORUM } from './queue.js';

export default nest(
  {
    safety: 'equal',
    says: `quorum queue, persistent (it always confirms), noDelay; noAck off, a prefetch of ${HANDS}, acknowledged by hand after the handler`,
  },
  {
    queueOptions: QUORUM,
    persistent: true,
    socketOptions: { connectionOptions: CONNECTION },
    noAck: false,
    prefetchCount: HANDS,
  },
);
