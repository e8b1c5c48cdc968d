import { aws } from '@nest-messaging/aws';
import { ours } from '../ours.js';
import { connection } from './queue.js';

export default ours(
  'nest-messaging',
  (place) => {
    const { credentials, ...where } = connection(place);
    return aws({ ...where, client: { credentials } });
  },
  {
    way: 'task',
    says: 'as it comes, with a queue, since its peers know no topics: requests are shared, and each message is deleted after its handler',
  },
);
