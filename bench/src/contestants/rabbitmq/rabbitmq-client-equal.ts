import { HANDS } from '../../contestant.js';
import { CONNECTION, QUORUM } from './queue.js';
import { rabbitmqClient } from './rabbitmq-client.js';

export default rabbitmqClient(
  {
    safety: 'equal',
    says: `quorum queue behind a topic exchange, confirmed, persistent, noDelay; a prefetch of ${HANDS}, acknowledged after the handler`,
  },
  {
    connection: CONNECTION,
    confirm: true,
    envelope: { durable: true, mandatory: true },
    consumer: { queueOptions: QUORUM, qos: { prefetchCount: HANDS }, concurrency: HANDS },
  },
);
