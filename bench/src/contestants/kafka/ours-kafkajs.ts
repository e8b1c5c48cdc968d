import { kafka } from '@nest-messaging/kafka';
import { ours } from '../ours.js';

export default ours('nest-messaging (kafkajs)', ({ url }) => kafka({ brokers: [url], driver: 'kafkajs' }), {
  way: 'event',
  says: 'as it comes: acks all, idempotent, gathered while a request is under way; positions committed after the handler',
});
