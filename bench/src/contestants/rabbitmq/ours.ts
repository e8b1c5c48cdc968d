import { rabbitmq } from '@nest-messaging/rabbitmq';
import { ours } from '../ours.js';

export default ours('nest-messaging', ({ url }) => rabbitmq({ url }), {
  way: 'event',
  says: 'as it comes: quorum queues, confirmed publishes through a topic exchange, acknowledged after the handler',
});
