import { rabbitmqClient } from './rabbitmq-client.js';

export default rabbitmqClient(
  {
    safety: 'defaults',
    says: 'a classic queue that a restart of the broker deletes, and no confirms: what is lost on the way, nobody knows; all that waits is delivered at once',
  },
  {},
);
