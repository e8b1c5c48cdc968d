import { kafka } from '@nest-messaging/kafka';
import { ours } from '../ours.js';

export default ours(
  'nest-messaging (platformatic)',
  ({ url }) => kafka({ brokers: [url], driver: 'platformatic' }),
  {
    way: 'event',
    says: 'as it comes: acks all, idempotent, gathered while a request is under way; positions committed after the handler',
  },
);
